/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which program a process runs, and whether it still does. Between a check of its owner and a
 * read, or between two reads, a process may exec a set-user-ID program, whose memory the caller may
 * not read.
 *
 * An open pagemap is bound to the memory map that the process had then, and tells without a lock
 * whether a process still has that map. exec gives the process another one, so all that was opened
 * and read of the process from one check to the next is of one program. Processes can share memory
 * maps (CLONE_VM), which keeps the old one alive after an exec; so the addresses that the kernel
 * chose at exec (auxv: the vDSO's, the program's, that of 16 random bytes) must be the same, too.
 *
 *	program__open()   the map M
 *	caller allowed?   of M, if M is what the process still has at the end
 *	read …            of M, likewise
 *	program__runs()   yes: it has been M all the time
 */
#ifndef MEMPROV_PROGRAM_H
#define MEMPROV_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

struct program {
	int pagemap; /* open; -1: not opened */
	uint64_t id; /* of the auxv: of two programs rarely the same */
};

/* pidfd as proc/process.h has it. 0, -ESRCH when there is no memory map, or why it may not be read.
 * Close it in any case. */
int program__open(int pidfd, struct program *ret);
void program__close(const struct program *program);

/* Whether the process still runs it. False also when that cannot be told. */
bool program__runs(const struct program *program, int pidfd);

#endif
