/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which program a process runs, and whether it still does. A process may exec between a check of
 * whose it is and a read, or between two reads: a set-user-ID program, whose memory is nobody's who
 * could read the one before.
 *
 * An open pagemap is bound to the memory map that the process had then, and tells without a lock
 * whether anybody still has that map. exec gives the process another one, so all that was opened
 *and read of the process from one look at it to the next is of one program. Memory maps can be
 *shared by processes (CLONE_VM), which keeps the old one alive behind an exec; so the addresses
 *that the kernel chose at exec (auxv: the vDSO's, the program's, that of 16 random bytes) must be
 *the same, too.
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

bool program__runs(const struct program *program, int pidfd);

#endif
