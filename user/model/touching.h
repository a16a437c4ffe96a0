/* SPDX-License-Identifier: BSD-2-Clause */
/* What events do to the samples of what touched a space's pages first. */
#ifndef MEMPROV_TOUCHING_H
#define MEMPROV_TOUCHING_H

#include "model/space.h"

/* A sample; trace: its stack, not NULL. */
void touching__apply(struct space *space, const struct mp_event_touch *e, struct trace *trace);

/* Before an event about memory is applied to the ledger: samples go with their pages. */
void touching__follow(struct space *space, const union mp_event *event);

/* The end of an mremap of whole pages; before: the samples as it found them. */
struct touch_move {
	const struct touches *before;
	uint64_t began_ns;
	uint64_t old_lo;
	uint64_t old_hi;
	uint64_t new_lo;
	uint64_t new_hi;
};
void touching__move(struct space *space, const struct touch_move *move);

/* Events that spoke of [lo, hi) are missing, or do not tell what they did: its pages may have been
 * taken away; up to `until`. Older samples may still come. */
void touching__suspect(struct space *space, uint64_t lo, uint64_t hi, uint64_t until);

#endif
