/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who asks for a report. A report holds addresses, which defeat ASLR, and paths; so a caller gets
 * what the kernel would let them ptrace-read by themselves, and not what we may.
 */
#ifndef MEMPROV_CALLER_H
#define MEMPROV_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

struct caller {
	bool everything; /* root, or whoever runs us: the kernel's checks on us are all */
	uid_t uid;	 /* otherwise */
};

#define CALLER_OURSELVES ((struct caller){.everything = true})

/* May the caller read the process opened as pidfd? As credentials__may_read() has it. */
bool caller__may_read(const struct caller *caller, int pidfd);

#endif
