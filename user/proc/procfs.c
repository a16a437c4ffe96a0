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

/* What the kernel hands out at once is a page, or one record when that is longer. */

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

int procfs__gone_if_missing(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

int procfs__read(int pidfd, const char *file, size_t max, struct buf *ret)
{
	_cleanup_close_ int fd = openat(pidfd, file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : buf__read_fd(ret, fd, max);
}

int procfs__read_node(const char *proc, const char *file, size_t max, struct buf *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", proc, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : buf__read_fd(ret, fd, max);
}

int procfs__stat(int pidfd, struct proc_stat *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = procfs__gone_if_missing(procfs__read(pidfd, "stat", STAT_MAX, &text));

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
