/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of code that a process made at run time, in the child: its perf map, read again when it has
 * changed. That is looked at once a second. A compiler writes the line before the code runs, so for
 * code without a name that ran after the map was read, what was appended is read at once; of that a
 * second has a bounded amount.
 */
#ifndef MEMPROV_JIT_H
#define MEMPROV_JIT_H

#include <stddef.h>
#include <stdint.h>

#include "child/perfmap.h"

#define JIT_APPENDED_MAX (1U << 20) /* bytes that are read of it in a second */
#define JIT_READING	 (4U << 10) /* as many does a reading count for by itself */

struct jit {
	struct perfmap *map;	  /* NULL: none */
	struct perfmap *appended; /* what was appended to it, or NULL */
	uint64_t map_end;	  /* in the file */
	uint64_t looked_ns;	  /* at the whole of it; 0: never */
	uint64_t asked_ns;	  /* for the file */
	uint64_t appended_read;	  /* bytes, since looked_ns */
	uint64_t size;		  /* of the file when map was read */
	uint64_t mtime_ns;
};

/* CLOCK_BOOTTIME both. */
struct jit_question {
	uint64_t pc;
	uint64_t taken_ns; /* when the code ran */
	uint64_t now_ns;
	int (*open_map)(void *ctx); /* the process's: fd or -1 */
	void *ctx;
};

/* NULL when the code has no name; valid until the next call. */
const char *jit__find(struct jit *jit, const struct jit_question *question);
void jit__forget(struct jit *jit);

#endif
