/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack that waits to be unwound: a copy, in a bundle of its process (live/bundle.h). */
#ifndef MEMPROV_WAITING_H
#define MEMPROV_WAITING_H

#include "live/bundle.h"
#include "model/model.h"

struct waiting {
	struct waiting *prev, *next;
	struct raw_stack raw;  /* its stack points behind this */
	struct bundle *bundle; /* that this is a piece of */
	size_t bytes;	       /* of the piece */
	uint64_t copy[];       /* of the stack */
};

/* The bytes that it takes. */
size_t waiting__bytes(const struct raw_stack *raw);

/* NULL when out of memory. It has a reference to the trace. */
struct waiting *waiting__new(struct spare *spare, struct bundle **open,
			     const struct raw_stack *raw);

/* The bytes of the bundle, if that went with it; else 0. */
size_t waiting__free(struct spare *spare, struct waiting *waiting);

#endif
