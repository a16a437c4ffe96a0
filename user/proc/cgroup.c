// SPDX-License-Identifier: BSD-2-Clause
#include "proc/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "proc/mountinfo.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/number.h"

#define FILE_MAX (1 << 20)

/* PROC_CGROUP_INIT_INO (include/linux/proc_ns.h). */
#define INITIAL_NAMESPACE "cgroup:[4026531835]"

/* v1 has no word for "no limit": it shows its largest number of pages, in bytes. */
#define V1_NO_LIMIT (1ULL << 62)

/* --- pure ---------------------------------------------------------------------------------- */

/* "4:cpu,memory:/a:b": only the first two colons are the kernel's. */
static int parse_line(const char *line, const char *end, struct mount_text *controllers,
		      struct mount_text *path)
{
	uint64_t hierarchy;
	const char *colon;

	if (number__scan(&line, end, 10, &hierarchy) || line == end || *line++ != ':')
		return -EBADMSG;
	colon = memchr(line, ':', end - line);
	if (!colon)
		return -EBADMSG;
	*controllers = (struct mount_text){line, colon - line};
	*path = (struct mount_text){colon + 1, end - colon - 1};
	if (!path->len || *path->data != '/' || memchr(path->data, '\0', path->len))
		return -EBADMSG;
	/* Only v2, which is number 0, has no controllers in its line. */
	return !hierarchy == !controllers->len ? 0 : -EBADMSG;
}

int cgroup__next(const char **pos, const char *end, struct mount_text *controllers,
		 struct mount_text *path)
{
	const char *line = *pos, *eol;
	int err;

	if (line == end)
		return 0;
	eol = memchr(line, '\n', end - line);
	if (!eol)
		return -EBADMSG;
	err = parse_line(line, eol, controllers, path);
	if (err)
		return err;
	*pos = eol + 1;
	return 1;
}

int cgroup__parse(const char *text, size_t len, struct cgroup *ret)
{
	struct mount_text controllers, path, found = {};
	const char *end = text + len;
	bool v1 = false;
	int err;

	while ((err = cgroup__next(&text, end, &controllers, &path)) > 0) {
		if (mount_text__has(controllers, "memory")) {
			v1 = true;
			found = path;
		} else if (!controllers.len && !v1) {
			found = path;
		}
	}
	if (err || !found.len)
		return err ? err : -ENOENT;
	if (found.len >= CGROUP_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret->path, found.data, found.len);
	ret->path[found.len] = '\0';
	ret->v1 = v1;
	return 0;
}

uint64_t cgroup__stat_value(const char *text, size_t len, const char *key)
{
	const char *end = text + len, *eol;
	size_t key_len = strlen(key);
	uint64_t value;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', end - text);
		if (!eol)
			return CGROUP_UNKNOWN;
		if ((size_t)(eol - text) <= key_len || memcmp(text, key, key_len) ||
		    text[key_len] != ' ')
			continue;
		text += key_len + 1;
		return number__scan(&text, eol, 10, &value) || text != eol ? CGROUP_UNKNOWN : value;
	}
	return CGROUP_UNKNOWN;
}

static const struct {
	const char *v1, *v2;
	size_t field;
} stat_keys[] = {
	{"total_rss", "anon", offsetof(struct cgroup_stat, anonymous)},
	{"total_cache", "file", offsetof(struct cgroup_stat, file)},
	{"total_shmem", "shmem", offsetof(struct cgroup_stat, shmem)},
	{NULL, "kernel", offsetof(struct cgroup_stat, kernel)}, /* 5.18 */
	{NULL, "slab", offsetof(struct cgroup_stat, slab)},
	{NULL, "kernel_stack", offsetof(struct cgroup_stat, kernel_stack)},
	{NULL, "pagetables", offsetof(struct cgroup_stat, page_tables)}, /* 5.15 */
	{NULL, "sock", offsetof(struct cgroup_stat, sockets)},
};

void cgroup_stat__parse(const char *text, size_t len, bool v1, struct cgroup_stat *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(stat_keys); i++) {
		const char *key = v1 ? stat_keys[i].v1 : stat_keys[i].v2;

		*(uint64_t *)((char *)ret + stat_keys[i].field) =
			key ? cgroup__stat_value(text, len, key) : CGROUP_UNKNOWN;
	}
	/* Older kernels do not sum it up. What they do not list goes where all else goes. */
	if (!v1 && ret->kernel == CGROUP_UNKNOWN && ret->slab != CGROUP_UNKNOWN &&
	    ret->kernel_stack != CGROUP_UNKNOWN)
		ret->kernel = ret->slab + ret->kernel_stack +
			      (ret->page_tables != CGROUP_UNKNOWN ? ret->page_tables : 0);
}

/* A path that leads out of our cgroup namespace ("/../x") has no directory that we could see. */
static bool leads_up(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, "/.."))) {
		at += strlen("/..");
		if (!*at || *at == '/')
			return true;
	}
	return false;
}

/* The part of path below root, "" for root itself; NULL when it is not below. */
static const char *path_below(const char *path, const char *root)
{
	size_t len = strlen(root);

	if (!strcmp(root, "/"))
		return path;
	if (strncmp(path, root, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path + len;
}

int cgroup__dir(const char *mountinfo, size_t len, const struct cgroup *cgroup, char *ret,
		size_t ret_len)
{
	const char *end = mountinfo + len, *below;
	char root[PATH_MAX], point[PATH_MAX];
	struct mount mount;
	int err;

	if (leads_up(cgroup->path))
		return -ENOENT;
	while ((err = mountinfo__next(&mountinfo, end, &mount)) > 0) {
		if (cgroup->v1 ? !mount_text__is(mount.type, "cgroup") ||
					 !mount_text__has(mount.options, "memory")
			       : !mount_text__is(mount.type, "cgroup2"))
			continue;
		if (mount_text__decode(mount.root, root, sizeof(root)) ||
		    mount_text__decode(mount.point, point, sizeof(point)))
			continue;
		below = path_below(cgroup->path, root);
		if (!below)
			continue;
		if (strlen(point) + strlen(below) >= ret_len)
			return -ENAMETOOLONG;
		snprintf(ret, ret_len, "%s%s", point, below);
		return 0;
	}
	return err ? err : -ENOENT;
}

/* --- reading ------------------------------------------------------------------------------- */

struct account_files {
	const char *current;
	const char *limit;
	const char *inactive_file;
};

/* v1's own counters are of the one group, its total_ ones of all below it, as v2's always are. */
static const struct account_files account_v1 = {"memory.usage_in_bytes", "memory.limit_in_bytes",
						"total_inactive_file"};
static const struct account_files account_v2 = {"memory.current", "memory.max", "inactive_file"};

static uint64_t read_value(int dirfd, const char *file)
{
	_cleanup_buf_ struct buf text = {};
	const char *pos, *end;
	uint64_t value;

	if (procfs__read(dirfd, file, FILE_MAX, &text))
		return CGROUP_UNKNOWN;
	pos = text.data;
	end = pos + text.len;
	/* "max" is no number either. */
	if (number__scan(&pos, end, 10, &value) || pos == end || *pos != '\n')
		return CGROUP_UNKNOWN;
	return value;
}

static uint64_t read_stat(int dirfd, const char *key)
{
	_cleanup_buf_ struct buf text = {};

	if (procfs__read(dirfd, "memory.stat", FILE_MAX, &text))
		return CGROUP_UNKNOWN;
	return cgroup__stat_value(text.data, text.len, key);
}

static const struct account_files *account_of(bool v1)
{
	return v1 ? &account_v1 : &account_v2;
}

uint64_t cgroup_dir__limit(int dirfd, bool v1)
{
	uint64_t limit = read_value(dirfd, account_of(v1)->limit);

	return v1 && limit >= V1_NO_LIMIT ? CGROUP_UNKNOWN : limit;
}

uint64_t cgroup_dir__current(int dirfd, bool v1)
{
	return read_value(dirfd, account_of(v1)->current);
}

static uint64_t working_set(int dirfd, bool v1, uint64_t current)
{
	uint64_t inactive = read_stat(dirfd, account_of(v1)->inactive_file);

	if (current == CGROUP_UNKNOWN || inactive == CGROUP_UNKNOWN)
		return CGROUP_UNKNOWN;
	return current > inactive ? current - inactive : 0;
}

uint64_t cgroup_dir__working_set(int dirfd, bool v1)
{
	return working_set(dirfd, v1, cgroup_dir__current(dirfd, v1));
}

uint64_t cgroup_dir__strikes(int dirfd, bool v1)
{
	_cleanup_buf_ struct buf text = {};

	if (v1)
		return read_value(dirfd, "memory.failcnt");
	/* memory.events, which is all that there is before 5.2, counts what is below, too. */
	if (procfs__read(dirfd, "memory.events.local", FILE_MAX, &text) &&
	    procfs__read(dirfd, "memory.events", FILE_MAX, &text))
		return CGROUP_UNKNOWN;
	return cgroup__stat_value(text.data, text.len, "oom");
}

static void cgroup__read_figures(struct cgroup *cgroup, int dirfd)
{
	cgroup->current = cgroup_dir__current(dirfd, cgroup->v1);
	cgroup->limit = cgroup_dir__limit(dirfd, cgroup->v1);
	cgroup->working_set = working_set(dirfd, cgroup->v1, cgroup->current);
}

/*
 * The lines of our mountinfo that are of cgroups. A node that runs many pods has hundreds of
 * mounts, and to have them all listed takes longer than all else that is read of a cgroup; these
 * few do not change as long as what they name is there.
 */
static struct {
	pthread_mutex_t lock;
	struct buf lines;
} mounts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int read_mounts(void)
{
	_cleanup_buf_ struct buf all = {};
	const char *pos, *end, *line;
	struct mount mount;
	int fd, err;

	/* As seen from our own cgroup namespace, as the paths are. */
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = buf__read_fd(&all, fd, FILE_MAX);
	close(fd);
	if (err)
		return err;
	mounts.lines.len = 0;
	pos = line = all.data ?: "";
	end = pos + all.len;
	for (; (err = mountinfo__next(&pos, end, &mount)) > 0; line = pos) {
		if (mount_text__is(mount.type, "cgroup") || mount_text__is(mount.type, "cgroup2"))
			buf__add(&mounts.lines, line, pos - line);
	}
	err = err ?: buf__error(&mounts.lines);
	if (err)
		buf__free(&mounts.lines);
	return err;
}

static int find_dir(const struct cgroup *cgroup, bool again, char *ret, size_t ret_len)
{
	int err = 0;

	pthread_mutex_lock(&mounts.lock);
	if (again || !mounts.lines.len)
		err = read_mounts();
	if (!err)
		err = cgroup__dir(mounts.lines.data ?: "", mounts.lines.len, cgroup, ret, ret_len);
	pthread_mutex_unlock(&mounts.lock);
	return err;
}

int cgroup__open(const struct cgroup *cgroup)
{
	char path[PATH_MAX];
	int fd, err = -ENOENT;

	for (int again = 0; again < 2 && err == -ENOENT; again++) {
		err = find_dir(cgroup, again, path, sizeof(path));
		if (err)
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		err = -errno;
	}
	return err;
}

static void read_figures_of(struct cgroup *cgroup)
{
	_cleanup_close_ int dirfd = cgroup__open(cgroup);

	cgroup->current = cgroup->limit = cgroup->working_set = CGROUP_UNKNOWN;
	if (dirfd >= 0)
		cgroup__read_figures(cgroup, dirfd);
}

void cgroup__read_all(struct cgroup *cgroup, struct cgroup_stat *ret)
{
	_cleanup_close_ int dirfd = cgroup__open(cgroup);
	_cleanup_buf_ struct buf text = {};

	cgroup->current = cgroup->limit = cgroup->working_set = CGROUP_UNKNOWN;
	if (dirfd >= 0) {
		cgroup__read_figures(cgroup, dirfd);
		procfs__read(dirfd, "memory.stat", FILE_MAX, &text);
	}
	cgroup_stat__parse(text.data ?: "", text.len, cgroup->v1, ret);
	if (dirfd < 0 || !cgroup->v1)
		return;
	ret->kernel = read_value(dirfd, "memory.kmem.usage_in_bytes");
	/* Sockets are charged apart there: memory.kmem.tcp.*. */
	ret->sockets = 0;
}

int cgroup__join_host(const char *proc)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], name[64];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/1/ns/cgroup", proc) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return -errno;
	name[n] = '\0';
	if (strcmp(name, INITIAL_NAMESPACE))
		return -EXDEV;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || setns(fd, CLONE_NEWCGROUP) ? -errno : 0;
}

uint64_t cgroup__tightest_limit(int pidfd, uint64_t *ret_used)
{
	uint64_t tightest = CGROUP_UNKNOWN, used = CGROUP_UNKNOWN;
	struct cgroup cgroup;
	char *slash;

	if (cgroup__read(pidfd, &cgroup))
		return CGROUP_UNKNOWN;
	for (;;) {
		if (cgroup.limit < tightest) {
			tightest = cgroup.limit;
			used = cgroup.working_set;
		}
		slash = strrchr(cgroup.path, '/');
		if (!slash || !slash[1])
			break;
		slash[slash == cgroup.path] = '\0';
		read_figures_of(&cgroup);
	}
	if (ret_used)
		*ret_used = used;
	return tightest;
}

int cgroup__read(int pidfd, struct cgroup *ret)
{
	_cleanup_buf_ struct buf text = {};
	_cleanup_close_ int dirfd = -1;
	struct cgroup cgroup = {
		.current = CGROUP_UNKNOWN,
		.limit = CGROUP_UNKNOWN,
		.working_set = CGROUP_UNKNOWN,
	};
	int err;

	err = process__read(pidfd, "cgroup", FILE_MAX, &text);
	if (err)
		return err;
	err = cgroup__parse(text.data, text.len, &cgroup);
	if (err)
		return err;
	dirfd = cgroup__open(&cgroup);
	if (dirfd >= 0)
		cgroup__read_figures(&cgroup, dirfd);
	*ret = cgroup;
	return 0;
}
