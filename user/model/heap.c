// SPDX-License-Identifier: BSD-2-Clause
#include "model/heap.h"

#include <errno.h>

#include "model/creation.h"

struct forgetting {
	struct space *space;
	bool heap; /* or else only what nothing is known of: a hole that was named */
};

static int forget_one(const struct ledger_range *range, void *ctx)
{
	struct forgetting *f = ctx;
	enum origin origin = range->record->origin;

	if (origin != ORIGIN_UNKNOWN &&
	    !(f->heap && (origin == ORIGIN_BRK || origin == ORIGIN_PREDATES)))
		return 0;
	return ledger__erase(&f->space->ledger, f->space->tools->pool, range->start, range->end);
}

static int forget(struct space *space, uint64_t lo, uint64_t hi, bool heap)
{
	struct forgetting f = {space, heap};

	return ledger__rewrite(&space->ledger, lo, hi, forget_one, &f);
}

static int reach_end(const struct ledger_range *range, void *ctx)
{
	if (range->record->origin != ORIGIN_UNKNOWN)
		*(uint64_t *)ctx = range->end;
	return 0;
}

int heap__apply(struct space *space, const struct mp_event_brk *e, struct trace *trace)
{
	uint64_t mask = space->tools->page_size - 1, begin, from, to;
	bool learned = space->heap_end_learned;

	if (__builtin_add_overflow(e->brk, mask, &to) ||
	    __builtin_add_overflow(e->start_brk, mask, &begin))
		return -EINVAL;
	to &= ~mask;
	begin &= ~mask;
	from = space->heap_end == HEAP_END_AT_START ? begin : space->heap_end;
	space->heap_end = to;
	space->heap_end_ns = e->head.time_ns;
	space->heap_end_learned = false;
	/* It is not known which part of the heap is new. Names that were given to holes are not
	 * its; other mappings are there, and were before. */
	if (from == HEAP_END_UNKNOWN)
		return begin < to ? forget(space, begin, to, false) : 0;
	if (from == to)
		return 0;
	if (to < from && learned) /* above the heap's end may lie what maps shows as one with it */
		return forget(space, to, from, true);
	if (to < from)
		return ledger__erase(&space->ledger, space->tools->pool, to, from);
	/* The heap never grows over what is mapped: that lies below where it really ended. */
	if (learned)
		ledger__each(&space->ledger, from, to, reach_end, &from);
	if (from == to)
		return 0;
	return creation__apply(space, &(struct creation){.lo = from,
							 .hi = to,
							 .origin = ORIGIN_BRK,
							 .head = &e->head,
							 .comm = e->comm,
							 .trace = trace});
}
