// SPDX-License-Identifier: BSD-2-Clause
#include "proc/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/number.h"

/* How often a map is read anew when it went away under the read: exec gives a new one. */
#define MAP_TRIES 3

/* What the kernel hands out at once is a page, or one record when that is longer. */
#define READ_SIZE 16384

#define STAT_MAX 8192

int procfs__open(const char *proc, pid_t pid)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%d", proc, pid) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* In the directory of a process that is gone the kernel answers ESRCH to every name; when it goes
 * while the name is being looked up, ENOENT (proc_pident_lookup() in fs/proc/base.c), also to names
 * that every process has. */
static int gone_if_missing(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

static int procfs__openat(int pidfd, const char *file, int flags)
{
	int fd = openat(pidfd, file, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int procfs__read(int pidfd, const char *file, size_t max, struct buf *ret)
{
	_cleanup_close_ int fd = procfs__openat(pidfd, file, O_RDONLY);

	return fd < 0 ? fd : buf__read_fd(ret, fd, max);
}

int procfs__stat(int pidfd, struct proc_stat *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = gone_if_missing(procfs__read(pidfd, "stat", STAT_MAX, &text));

	if (err)
		return err;
	return proc_stat__parse(text.data, text.len, ret);
}

int procfs__link(int pidfd, const char *name, char *ret, size_t len)
{
	_cleanup_free_ char *target = malloc(len + 1);
	ssize_t n;

	if (!target)
		return -ENOMEM;
	n = readlinkat(pidfd, name, target, len + 1);
	if (n < 0)
		return -errno;
	if ((size_t)n >= len)
		return -ENAMETOOLONG;
	memcpy(ret, target, n);
	ret[n] = '\0';
	return 0;
}

DIR *procfs__open_tasks(int pidfd)
{
	int fd = openat(pidfd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

int procfs__open_live_thread(int pidfd)
{
	_cleanup_dir_ DIR *dir = procfs__open_tasks(pidfd);
	struct dirent *entry;
	int fd, err = -ESRCH;
	char exe;

	while (dir && err < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = procfs__openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY);
		if (fd >= 0 && readlinkat(fd, "exe", &exe, 1) > 0)
			err = fd;
		else if (fd >= 0)
			close(fd);
	}
	return err;
}

/* --- maps ---------------------------------------------------------------------------------- */

static int feed_fd(struct smaps_parser *parser, int fd, const atomic_bool *stop)
{
	char text[READ_SIZE];
	ssize_t n;
	int err;

	for (;;) {
		if (stop && *stop)
			return -ECANCELED;
		n = read(fd, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		err = smaps_parser__feed(parser, text, n);
		if (err)
			return err;
	}
}

/*
 * Reads one file of maps. A memory map that goes away (exit, exec) ends the text early but cleanly,
 * between two records, which looks like the end; so it is asked afterwards whether the map
 * is still there. -ESRCH: there was none to begin with; -EAGAIN: it went away meanwhile.
 */
static int read_vmas(int dirfd, const char *file, enum smaps_format format, const atomic_bool *stop,
		     struct vma_set *ret)
{
	_cleanup_(smaps_parser__freep) struct smaps_parser *parser = smaps_parser__new(format);
	_cleanup_close_ int fd = -1;
	struct vma_set set;
	ssize_t n;
	char c;
	int err;

	if (!parser)
		return -ENOMEM;
	fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return gone_if_missing(-errno);
	err = feed_fd(parser, fd, stop);
	if (err)
		return err;
	err = smaps_parser__finish(parser, &set);
	if (err)
		return err;
	n = set.n ? pread(fd, &c, 1, 0) : 0;
	if (n > 0) {
		*ret = set;
		return 0;
	}
	err = set.n ? -EAGAIN : -ESRCH;
	vma_set__free(&set);
	return err;
}

/* The leader has exited and has no map any more; a thread that lives on still has it. */
static int read_vmas_of_threads(int pidfd, const char *file, enum smaps_format format,
				const atomic_bool *stop, struct vma_set *ret)
{
	_cleanup_dir_ DIR *dir = procfs__open_tasks(pidfd);
	char path[sizeof("/smaps") + NAME_MAX];
	struct dirent *entry;
	int err = -ESRCH;

	if (!dir)
		return gone_if_missing(-errno);
	while (err == -ESRCH && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", entry->d_name, file);
		err = read_vmas(dirfd(dir), path, format, stop, ret);
	}
	return err;
}

int procfs__vmas(int pidfd, enum smaps_format format, const atomic_bool *stop, struct vma_set *ret)
{
	const char *file = format == SMAPS_FULL ? "smaps" : "maps";
	int err;

	for (int i = 0; i < MAP_TRIES; i++) {
		err = read_vmas(pidfd, file, format, stop, ret);
		if (err == -ESRCH)
			err = read_vmas_of_threads(pidfd, file, format, stop, ret);
		if (err != -EAGAIN)
			return err;
	}
	return -ESRCH;
}

/* "0.20 0.18 0.12 1/80 11206": behind the slash, how many there are and the number of the newest.
 */
int procfs__tasks(const char *proc, char ret[PROC_TASKS_LEN])
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], text[128];
	const char *tasks;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/loadavg", proc) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	tasks = strchr(text, '/');
	if (!tasks || strlen(tasks) >= PROC_TASKS_LEN)
		return -EBADMSG;
	strcpy(ret, tasks);
	return 0;
}

int procfs__each(const char *proc, int (*visit)(pid_t pid, void *ctx), void *ctx)
{
	_cleanup_dir_ DIR *dir = opendir(proc);
	struct dirent *entry;
	uint64_t pid;
	int err;

	if (!dir)
		return -errno;
	while (errno = 0, entry = readdir(dir)) {
		if (number__parse(entry->d_name, 1, INT32_MAX, &pid))
			continue;
		err = visit(pid, ctx);
		if (err)
			return err;
	}
	return -errno;
}
