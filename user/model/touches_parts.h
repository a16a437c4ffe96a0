/* SPDX-License-Identifier: BSD-2-Clause */
/* The chunks of samples. For touches.c and touches_debit.c. */
#ifndef MEMPROV_TOUCHES_PARTS_H
#define MEMPROV_TOUCHES_PARTS_H

#include "model/touches.h"

struct chunk {
	unsigned refs;
	unsigned n; /* at least 1 */
	size_t room;
	struct account *account;
	struct touch at[];
};

struct touch_index {
	unsigned refs;
	size_t n;
	size_t room;
	size_t total; /* samples */
	struct account *account;
	struct chunk *chunks[];
};

enum edit { EDIT_NONE, EDIT_CHANGED, EDIT_GONE };

/* Looks at a copy of a sample, and may change what it stands for. */
typedef enum edit edit_fn(struct touch *touch, void *ctx);

/* Of each sample in [lo, hi). */
void touches__edit_each(struct touches *touches, uint64_t lo, uint64_t hi, edit_fn *edit,
			void *ctx);

/* The place of the page's sample, or where it would be; false: there is none. */
bool touches__find(const struct touches *touches, uint64_t addr, size_t *ret_chunk, size_t *ret_at);

#endif
