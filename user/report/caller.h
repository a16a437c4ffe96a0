/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process asks for a report. A report holds addresses, which defeat ASLR, and paths; so a
 * caller gets what the kernel would let it ptrace-read by itself, and not what we may.
 */
#ifndef MEMPROV_CALLER_H
#define MEMPROV_CALLER_H

#include <stdbool.h>

#include "proc/credentials.h"

struct caller {
	bool everything;      /* the kernel's checks on us are all */
	struct reader reader; /* otherwise */
};

#define CALLER_OURSELVES ((struct caller){.everything = true})

/* The caller that the reader is, for the processes of this procfs. */
struct caller caller__new(const struct reader *reader, const char *proc);

/* May the caller read the process opened as pidfd? As reader__may_read() has it. */
bool caller__may_read(const struct caller *caller, int pidfd);

#endif
