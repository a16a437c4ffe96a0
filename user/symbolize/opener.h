/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that opens a file as another process could open it: with that one's file system user
 * and groups and no capability, so that the kernel itself judges. The launcher forks one off for
 * each set of paths; whatever keeps it waiting keeps nobody else.
 *
 *	parent                             opener
 *	REQUEST [root] ────────────────▶
 *	               ◀────────────────   for each path: 0 [file], or -errno (int32_t)
 */
#ifndef MEMPROV_OPENER_H
#define MEMPROV_OPENER_H

#include <limits.h>
#include <stdbool.h>

#include "proc/credentials.h"
#include "symbolize/launch.h"

#define OPENER_PATHS_MAX 4

struct opener_path {
	size_t point; /* bytes of it that are a mount point: mounts__point() */
	char text[PATH_MAX];
};

struct opener_request {
	struct credentials credentials;
	size_t n;
	struct opener_path paths[OPENER_PATHS_MAX];
};

/* In the process: answers one request, and ends. */
void opener__main(int socket) __attribute__((noreturn));

/* In the daemon: the first of the files below `root` that suits, for reading; -ENOENT when none is
 * there, or none may be read, or none suits; -errno when nobody could look. */
int opener__open(struct launcher *launcher, int root, const struct opener_request *request,
		 bool (*suits)(int fd, void *ctx), void *ctx);

#endif
