// SPDX-License-Identifier: BSD-2-Clause
#include "proc/socket_holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "util/cleanup.h"
#include "util/shortage.h"

struct search {
	const char *proc;
	int root; /* proc, opened */
	pid_t self;
	uid_t uid;
	bool sized;    /* a directory's size is how many descriptors there are, since Linux 6.2 */
	char link[32]; /* what the descriptor's name leads to */
	size_t left;   /* descriptors to look at */
	int (*visit)(int pidfd, void *ctx);
	void *ctx;
};

/* 1: it is the one; 0: it is not, or is closed; -EACCES: none of the process's may be looked at; or
 * what there is too little of to look. */
static int is_socket(const struct search *search, int dir, const char *name)
{
	char link[sizeof(search->link)];
	ssize_t n = readlinkat(dir, name, link, sizeof(link));

	if (n < 0)
		return is_shortage(-errno) || errno == EACCES ? -errno : 0;
	return n == (ssize_t)strlen(search->link) && !memcmp(link, search->link, n);
}

/* The result as above, or -E2BIG; *ret_listed: how many descriptors were seen. */
static int look_through(struct search *search, int dir, size_t *ret_listed)
{
	_Alignas(struct dirent64) char bytes[8192];
	struct dirent64 *entry;
	ssize_t n;
	int has;

	*ret_listed = 0;
	while ((n = getdents64(dir, bytes, sizeof(bytes))) > 0) {
		for (char *at = bytes; at < bytes + n; at += entry->d_reclen) {
			entry = (struct dirent64 *)at;
			if (entry->d_name[0] == '.')
				continue;
			if (!search->left)
				return -E2BIG;
			search->left--;
			++*ret_listed;
			has = is_socket(search, dir, entry->d_name);
			if (has)
				return has == -EACCES ? 0 : has;
		}
	}
	return n < 0 && is_shortage(-errno) ? -errno : 0;
}

/* Of a leader that has exited while its threads live, /proc shows no descriptors. Links of the
 * directory of threads: one each, and two (proc_task_getattr() in fs/proc/base.c). */
static bool has_other_threads(const struct search *search, const char *process)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/task", process);
	return !fstatat(search->root, path, &st, 0) && st.st_nlink > 3;
}

static int look_through_threads(struct search *search, pid_t pid)
{
	_cleanup_close_ int pidfd = procfs__open(search->proc, pid);
	_cleanup_close_ int dir =
		pidfd < 0 ? pidfd : process__openat(pidfd, "fd", O_RDONLY | O_DIRECTORY);
	size_t listed;

	if (dir < 0)
		return is_shortage(dir) ? dir : 0;
	return look_through(search, dir, &listed);
}

/* Most processes of root are the kernel's threads, which have none. */
static bool has_none(const struct search *search, const char *path)
{
	struct stat st;

	return search->sized && !fstatat(search->root, path, &st, 0) && !st.st_size;
}

static int has_socket(struct search *search, pid_t pid)
{
	char process[16], path[32];
	_cleanup_close_ int dir = -1;
	struct stat st;
	size_t listed = 0;
	int has = 0;

	snprintf(process, sizeof(process), "%d", pid);
	/* Of fd/, it would be root for what is not dumpable. */
	if (fstatat(search->root, process, &st, 0))
		return is_shortage(-errno) ? -errno : 0;
	if (st.st_uid != search->uid)
		return 0;
	snprintf(path, sizeof(path), "%s/fd", process);
	if (!has_none(search, path)) {
		dir = openat(search->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return is_shortage(-errno) ? -errno : 0;
		has = look_through(search, dir, &listed);
	}
	if (!has && !listed && has_other_threads(search, process))
		has = look_through_threads(search, pid);
	return has;
}

static int look_at(pid_t pid, void *ctx)
{
	struct search *search = ctx;
	int has = pid == search->self ? 0 : has_socket(search, pid);
	_cleanup_close_ int pidfd = has > 0 ? procfs__open(search->proc, pid) : -ESRCH;

	if (has <= 0)
		return has;
	if (pidfd < 0)
		return is_shortage(pidfd) ? pidfd : 0;
	/* The number may have become another's until it was opened. */
	has = has_socket(search, pid);
	return has > 0 ? search->visit(pidfd, search->ctx) : has;
}

int socket_holders__each(const char *proc, uid_t uid, uint64_t inode,
			 int (*visit)(int pidfd, void *ctx), void *ctx)
{
	_cleanup_close_ int root = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct search search = {
		.proc = proc,
		.root = root,
		.self = self__pid(proc),
		.uid = uid,
		.left = SOCKET_HOLDERS_FDS_MAX,
		.visit = visit,
		.ctx = ctx,
	};
	struct stat own;

	if (root < 0)
		return -errno;
	snprintf(search.link, sizeof(search.link), "socket:[%" PRIu64 "]", inode);
	search.sized = !fstatat(root, "self/fd", &own, 0) && own.st_size;
	return procfs__each(proc, look_at, &search);
}
