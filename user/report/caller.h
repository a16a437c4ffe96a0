/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process asks for a report. A report holds addresses, which defeat ASLR, and paths; so a
 * caller gets what the kernel would let it ptrace-read by itself, and not what we may.
 */
#ifndef MEMPROV_CALLER_H
#define MEMPROV_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "proc/credentials.h"

struct caller {
	bool everything;      /* the kernel's checks on us are all */
	struct reader reader; /* otherwise */
	uint64_t source;      /* a number that all that is asked for by one client has in common */
};

#define CALLER_OURSELVES ((struct caller){.everything = true, .source = UINT64_MAX})

/* The caller that the reader is, for the processes of this procfs. */
struct caller caller__new(const struct reader *reader, const char *proc);

/* May the caller read the process opened as pidfd? As reader__may_read() has it. */
bool caller__may_read(const struct caller *caller, int pidfd);

#endif
