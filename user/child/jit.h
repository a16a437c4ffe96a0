/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of code that a process made at run time, in the child: its perf map, read again when it has
 * changed, but not more often than once a second. */
#ifndef MEMPROV_JIT_H
#define MEMPROV_JIT_H

#include <stddef.h>
#include <stdint.h>

#include "child/perfmap.h"

struct jit {
	struct perfmap *map; /* NULL: none */
	uint64_t asked_ns;   /* 0: never */
	uint64_t size;	     /* of the file as last read */
	uint64_t mtime_ns;
};

/* Opens the process's map: fd or -1. */
typedef int (*open_map_fn)(void *ctx, uint32_t process);

/* NULL when the code has no name; valid until the next call. */
const char *jit__find(struct jit *jit, uint64_t pc, open_map_fn open_map, void *ctx,
		      uint32_t process);
void jit__forget(struct jit *jit);

#endif
