// SPDX-License-Identifier: BSD-2-Clause
#include "proc/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "proc/statm.h"
#include "util/cleanup.h"
#include "util/number.h"

/* How often the threads are listed anew when all that were listed have exited meanwhile. */
#define LIST_TRIES 64

#define PF_EXITING 0x4 /* of stat's flags (linux/sched.h) */

struct visit {
	int (*fn)(int dir, pid_t tid, void *ctx);
	void *ctx;
};

/* By statm, which every process may read. */
static bool has_map(int dir)
{
	_cleanup_close_ int fd = openat(dir, "statm", O_RDONLY | O_CLOEXEC);
	struct proc_memory memory;
	int err = fd < 0 ? -errno : procfs__statm(fd, &memory);

	return err != -ESRCH && err != -ENOENT;
}

/* Whether what was made of the directory counts. */
static bool counts(int dir, int result)
{
	return result != -EOWNERDEAD && has_map(dir);
}

/*
 * Visits the directory of a thread as if it were a process. Its number may be another process's by
 * now, so it is asked afterwards whether it is one of ours, and after that whether what was opened
 * still is what has the number.
 */
static bool visit_thread(DIR *tasks, const char *tid, const struct visit *visit, int *ret)
{
	_cleanup_close_ int dir = -1;
	char path[sizeof("../../") + NAME_MAX];

	snprintf(path, sizeof(path), "../../%s", tid);
	dir = openat(dirfd(tasks), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	*ret = visit->fn(dir, atoi(tid), visit->ctx);
	return !faccessat(dirfd(tasks), tid, F_OK, 0) && counts(dir, *ret);
}

/* True when one of the threads had a map to the end of the visit; *ret is the result of that. */
static bool visit_threads(int pidfd, pid_t leader, const struct visit *visit, int *ret)
{
	_cleanup_dir_ DIR *tasks = procfs__open_tasks(pidfd);
	struct dirent *entry;
	uint64_t tid;

	while (tasks && (entry = readdir(tasks))) {
		if (!number__parse(entry->d_name, 1, INT32_MAX, &tid) && (pid_t)tid != leader &&
		    visit_thread(tasks, entry->d_name, visit, ret))
			return true;
	}
	return false;
}

int process__visit(int pidfd, int (*fn)(int dir, pid_t tid, void *ctx), void *ctx)
{
	const struct visit visit = {fn, ctx};
	int ret = fn(pidfd, 0, ctx);

	if (counts(pidfd, ret))
		return ret;
	for (int i = 0; i < LIST_TRIES; i++) {
		struct proc_stat stat;

		/* The leader is one of them until its parent has been told of its end. */
		if (procfs__stat(pidfd, &stat) || stat.threads <= 1)
			break;
		if (visit_threads(pidfd, stat.pid, &visit, &ret))
			return ret;
	}
	/* exec makes the thread that calls it the leader. */
	ret = fn(pidfd, 0, ctx);
	return counts(pidfd, ret) ? ret : -ESRCH;
}

struct opening {
	const char *file;
	int flags;
	int fd;
};

static int try_open(int dir, pid_t tid, void *ctx)
{
	struct opening *opening = ctx;

	(void)tid;
	if (opening->fd >= 0)
		close(opening->fd);
	opening->fd = openat(dir, opening->file, opening->flags | O_CLOEXEC);
	return opening->fd < 0 ? -errno : 0;
}

int process__openat(int pidfd, const char *file, int flags)
{
	struct opening opening = {file, flags, -1};
	int err;

	/* A link leads nowhere without a map: one that was followed needs no second look. */
	if (flags & O_PATH && !try_open(pidfd, 0, &opening))
		return opening.fd;
	err = process__visit(pidfd, try_open, &opening);
	if (!err)
		return opening.fd;
	if (opening.fd >= 0)
		close(opening.fd);
	return err;
}

struct reading_file {
	const char *file;
	size_t max;
	size_t len; /* of what was there before */
	struct buf *ret;
};

/* A thread that is about to exit still has its map, and in cgroup v1 is "/" already: whether it is
 * about to is told by stat, which costs something for each thread. */
static bool is_misplaced(int dir, const struct buf *text)
{
	struct proc_stat stat;

	return text->len && memmem(text->data, text->len, ":/\n", 3) &&
	       (procfs__stat(dir, &stat) || stat.flags & PF_EXITING);
}

static int try_read(int dir, pid_t tid, void *ctx)
{
	struct reading_file *reading = ctx;
	int err;

	(void)tid;
	if (reading->ret->data)
		reading->ret->len = reading->len;
	err = procfs__read(dir, reading->file, reading->max, reading->ret);
	if (!err && !strcmp(reading->file, "cgroup") && is_misplaced(dir, reading->ret))
		err = -EOWNERDEAD;
	return err;
}

int process__read(int pidfd, const char *file, size_t max, struct buf *ret)
{
	struct reading_file reading = {file, max, ret->len, ret};

	return process__visit(pidfd, try_read, &reading);
}

struct reading_link {
	const char *name;
	char *ret;
	size_t len;
};

static int try_link(int dir, pid_t tid, void *ctx)
{
	const struct reading_link *reading = ctx;
	_cleanup_free_ char *target = malloc(reading->len + 1);
	ssize_t n;

	(void)tid;
	if (!target)
		return -ENOMEM;
	n = readlinkat(dir, reading->name, target, reading->len + 1);
	if (n < 0)
		return -errno;
	if ((size_t)n >= reading->len)
		return -ENAMETOOLONG;
	memcpy(reading->ret, target, n);
	reading->ret[n] = '\0';
	return 0;
}

int process__link(int pidfd, const char *name, char *ret, size_t len)
{
	struct reading_link reading = {name, ret, len};

	return process__visit(pidfd, try_link, &reading);
}

#define STATUS_MAX (1 << 20) /* the list of groups can be long */

bool process__is_one(int pidfd, pid_t pid)
{
	static const char key[] = "\nTgid:\t";
	_cleanup_buf_ struct buf text = {};
	const char *pos = NULL, *end;
	uint64_t tgid;

	if (!procfs__read(pidfd, "status", STATUS_MAX, &text) && text.len)
		pos = memmem(text.data, text.len, key, sizeof(key) - 1);
	if (!pos)
		return true; /* it has gone, which others will find */
	pos += sizeof(key) - 1;
	end = text.data + text.len;
	return number__scan(&pos, end, 10, &tgid) || tgid == (uint64_t)pid;
}
