// SPDX-License-Identifier: BSD-2-Clause
#include "proc/socket_holders.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/shortage.h"

struct search {
	const char *proc;
	uid_t uid;
	char link[32]; /* what the descriptor's name leads to */
	size_t left;   /* descriptors to look at */
	int (*visit)(int pidfd, void *ctx);
	void *ctx;
};

/* 1: it has; 0: it has not, or is gone; -E2BIG, or what there is too little of to look. */
static int has_socket(struct search *search, int pidfd)
{
	int fd = process__openat(pidfd, "fd", O_RDONLY | O_DIRECTORY);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t len = strlen(search->link);
	struct dirent *entry;
	char link[sizeof(search->link)];
	ssize_t n;

	if (fd < 0)
		return is_shortage(fd) ? fd : 0;
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (!search->left)
			return -E2BIG;
		search->left--;
		n = readlinkat(fd, entry->d_name, link, sizeof(link));
		if (n < 0 && is_shortage(-errno))
			return -errno;
		if (n == (ssize_t)len && !memcmp(link, search->link, len))
			return 1;
	}
	return 0;
}

static int look_at(pid_t pid, void *ctx)
{
	struct search *search = ctx;
	_cleanup_close_ int pidfd = procfs__open(search->proc, pid);
	struct stat st;
	int has;

	if (pidfd < 0)
		return is_shortage(pidfd) ? pidfd : 0;
	if (fstat(pidfd, &st) || st.st_uid != search->uid)
		return 0;
	has = has_socket(search, pidfd);
	return has > 0 ? search->visit(pidfd, search->ctx) : has;
}

int socket_holders__each(const char *proc, uid_t uid, uint64_t inode,
			 int (*visit)(int pidfd, void *ctx), void *ctx)
{
	struct search search = {
		.proc = proc,
		.uid = uid,
		.left = SOCKET_HOLDERS_FDS_MAX,
		.visit = visit,
		.ctx = ctx,
	};

	snprintf(search.link, sizeof(search.link), "socket:[%" PRIu64 "]", inode);
	return procfs__each(proc, look_at, &search);
}
