// SPDX-License-Identifier: BSD-2-Clause
#include "proc/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/process.h"
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

int procfs__read(int pidfd, const char *file, size_t max, struct buf *ret)
{
	_cleanup_close_ int fd = openat(pidfd, file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : buf__read_fd(ret, fd, max);
}

int procfs__stat(int pidfd, struct proc_stat *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = gone_if_missing(procfs__read(pidfd, "stat", STAT_MAX, &text));

	if (err)
		return err;
	return proc_stat__parse(text.data, text.len, ret);
}

int procfs__open_begun(const char *proc, pid_t pid, uint64_t start_ticks)
{
	_cleanup_close_ int pidfd = procfs__open(proc, pid);
	struct proc_stat stat;
	int err;

	if (pidfd < 0)
		return pidfd;
	err = procfs__stat(pidfd, &stat);
	if (err)
		return err;
	return stat.start_ticks == start_ticks ? take_fd(pidfd) : -ESRCH;
}

DIR *procfs__open_tasks(int pidfd)
{
	int fd = openat(pidfd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
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

struct map_reading {
	const char *file;
	enum smaps_format format;
	const atomic_bool *stop;
	struct vma_set set;
};

/*
 * Reads one file of maps. A memory map that goes away (exit, exec) ends the text early but cleanly,
 * between two records, which looks like the end; so it is asked afterwards whether the map
 * is still there. -ESRCH: there was none to begin with; -EAGAIN: it went away meanwhile.
 */
static int try_maps(int dir, pid_t tid, void *ctx)
{
	_cleanup_(smaps_parser__freep) struct smaps_parser *parser = NULL;
	struct map_reading *reading = ctx;
	_cleanup_close_ int fd = -1;
	ssize_t n;
	char c;
	int err;

	(void)tid;
	vma_set__free(&reading->set);
	parser = smaps_parser__new(reading->format);
	if (!parser)
		return -ENOMEM;
	fd = openat(dir, reading->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return gone_if_missing(-errno);
	err = feed_fd(parser, fd, reading->stop);
	if (err)
		return err;
	err = smaps_parser__finish(parser, &reading->set);
	if (err)
		return err;
	n = reading->set.n ? pread(fd, &c, 1, 0) : 0;
	if (n > 0)
		return 0;
	return reading->set.n ? -EAGAIN : -ESRCH;
}

int procfs__vmas(int pidfd, enum smaps_format format, const atomic_bool *stop, struct vma_set *ret)
{
	struct map_reading reading = {
		.file = format == SMAPS_FULL ? "smaps" : "maps",
		.format = format,
		.stop = stop,
	};
	int err = -EAGAIN;

	for (int i = 0; i < MAP_TRIES && err == -EAGAIN; i++)
		err = process__visit(pidfd, try_maps, &reading);
	if (!err)
		*ret = reading.set;
	else
		vma_set__free(&reading.set);
	return err == -EAGAIN ? -ESRCH : err;
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
