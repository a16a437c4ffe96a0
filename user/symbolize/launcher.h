/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that begins the symbolizer's children and those that open files for them, and does
 * nothing else. It is forked off at the start, so that the daemon itself can give up what this
 * takes: exec, another user, namespaces. A packet tells it what to do:
 *
 *	LAUNCHER_SYMBOLIZE, with the child's socket ──▶  forks, execs
 *	LAUNCHER_OPEN, with the opener's socket     ──▶  forks
 *	                                            ◀──  its pid, or -errno (struct launcher_answer)
 *	LAUNCHER_END, pid                           ──▶  ends it
 *
 * An answer has the number of its question, so one that came too late is not taken for another's.
 *
 * When the other end is closed, it ends, and all of them with it.
 */
#ifndef MEMPROV_LAUNCHER_H
#define MEMPROV_LAUNCHER_H

#include <stdint.h>

#define LAUNCHED_MAX 32 /* alive at once */

enum launcher_what { LAUNCHER_SYMBOLIZE = 1, LAUNCHER_OPEN, LAUNCHER_END };

struct launcher_packet {
	uint32_t what;	 /* enum launcher_what */
	int32_t pid;	 /* of LAUNCHER_END */
	uint32_t number; /* of the question */
};

struct launcher_answer {
	int32_t pid; /* or -errno */
	uint32_t number;
};

struct launcher_config {
	int socket;	       /* of packets; the other end is the daemon's */
	uint64_t memory;       /* bytes that a child may use */
	uint64_t capabilities; /* that it keeps, 1 << CAP_… */
};

/* What the process is from its fork on. */
void launcher__main(const struct launcher_config *config) __attribute__((noreturn));

#endif
