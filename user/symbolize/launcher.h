/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that begins the symbolizer's children, and does nothing else. It is forked off at the
 * start, so that the daemon itself can give up what this takes: exec, another user, namespaces.
 * One byte tells it what to do:
 *
 *	LAUNCHER_START, with the child's socket ──▶  ends the last child, forks, execs
 *	                                        ◀──  its pid (int32_t), or -errno
 *	LAUNCHER_END                            ──▶  ends the last child
 *
 * When nobody is at the other end it ends, and its child with it.
 */
#ifndef MEMPROV_LAUNCHER_H
#define MEMPROV_LAUNCHER_H

#include <stdint.h>

enum { LAUNCHER_START = 's', LAUNCHER_END = 'e' };

struct launcher_config {
	int socket;	       /* of packets; the other end is the daemon's */
	int blame;	       /* the shared page, for CHILD_BLAME */
	uint64_t memory;       /* bytes that a child may use */
	uint64_t capabilities; /* that it keeps, 1 << CAP_… */
};

/* What the process is from its fork on. */
void launcher__main(const struct launcher_config *config) __attribute__((noreturn));

#endif
