// SPDX-License-Identifier: BSD-2-Clause
#include "proc/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "proc/mountinfo.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/number.h"

#define FILE_MAX (1 << 20)

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

int cgroup__parse(const char *text, size_t len, struct cgroup *ret)
{
	struct mount_text controllers, path, found = {};
	const char *end = text + len, *eol;
	bool v1 = false;
	int err;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', end - text);
		if (!eol)
			return -EBADMSG;
		err = parse_line(text, eol, &controllers, &path);
		if (err)
			return err;
		if (mount_text__has(controllers, "memory")) {
			v1 = true;
			found = path;
		} else if (!controllers.len && !v1) {
			found = path;
		}
	}
	if (!found.len)
		return -ENOENT;
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

struct account {
	const char *current;
	const char *limit;
	const char *inactive_file;
};

/* v1's own counters are of the one group, its total_ ones of all below it, as v2's always are. */
static const struct account account_v1 = {"memory.usage_in_bytes", "memory.limit_in_bytes",
					  "total_inactive_file"};
static const struct account account_v2 = {"memory.current", "memory.max", "inactive_file"};

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

static void cgroup__read_figures(struct cgroup *cgroup, int dirfd)
{
	const struct account *account = cgroup->v1 ? &account_v1 : &account_v2;
	uint64_t inactive;

	cgroup->current = read_value(dirfd, account->current);
	cgroup->limit = read_value(dirfd, account->limit);
	if (cgroup->v1 && cgroup->limit >= V1_NO_LIMIT)
		cgroup->limit = CGROUP_UNKNOWN;
	inactive = read_stat(dirfd, account->inactive_file);
	if (cgroup->current == CGROUP_UNKNOWN || inactive == CGROUP_UNKNOWN)
		return;
	cgroup->working_set = cgroup->current > inactive ? cgroup->current - inactive : 0;
}

static int open_dir(const struct cgroup *cgroup)
{
	_cleanup_buf_ struct buf mountinfo = {};
	char path[PATH_MAX];
	int fd, err;

	/* Both paths are as seen from our own cgroup namespace. */
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = buf__read_fd(&mountinfo, fd, FILE_MAX);
	close(fd);
	if (err)
		return err;
	err = cgroup__dir(mountinfo.data, mountinfo.len, cgroup, path, sizeof(path));
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
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

	err = procfs__read(pidfd, "cgroup", FILE_MAX, &text);
	if (err)
		return err;
	err = cgroup__parse(text.data, text.len, &cgroup);
	if (err)
		return err;
	dirfd = open_dir(&cgroup);
	if (dirfd >= 0)
		cgroup__read_figures(&cgroup, dirfd);
	*ret = cgroup;
	return 0;
}
