/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that opens a file as another process could open it: with that one's file system user
 * and groups and no capability, so that the kernel itself decides. The launcher forks one off for
 * each set of paths; what keeps it waiting keeps no other process waiting.
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
#include "util/clock.h"

#define OPENER_PATHS_MAX 4

/* Local files; one that takes longer is not waited for. */
#define OPENER_ANSWER_NS (2 * NSEC_PER_SEC)

struct opener_path {
	size_t point; /* bytes of it that are a mount point: mounts__point() */
	char text[PATH_MAX];
};

struct opener_request {
	struct credentials credentials;
	size_t n;
	struct opener_path paths[OPENER_PATHS_MAX];
};

/* Answers one request, and ends. */
void opener__main(int socket) __attribute__((noreturn));

#endif
