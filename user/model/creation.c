// SPDX-License-Identifier: BSD-2-Clause
#include "model/creation.h"

#include <errno.h>

#include "model/uses.h"

int creation__put(struct space *space, const struct ledger_range *range)
{
	int err = ledger__put(&space->ledger, space->tools->pool, range);

	if (err) {
		space->overflowed |= err == -ENOSPC;
		ledger__erase(&space->ledger, space->tools->pool, range->start, range->end);
		space__forget_makers(space, range->start, range->end);
	}
	return err;
}

struct neighbour {
	uint64_t lo;
	uint32_t tid;
	enum origin origin;
	uint64_t space;
	const struct trace *trace;
	struct record *record;
};

static int find_continued(const struct ledger_range *range, void *ctx)
{
	struct neighbour *n = ctx;

	if (range->end == n->lo && range->record->origin == n->origin &&
	    range->record->tid == n->tid && range->record->space == n->space &&
	    range->record->trace == n->trace)
		n->record = range->record;
	return 0;
}

/* A heap or an array that a thread grows piece by piece, by the same call, is one creation, not
 * thousands. */
static struct record *growth_record(struct space *space, enum origin origin, uint64_t lo,
				    const struct mp_event_head *head, const char *comm,
				    struct trace *trace)
{
	struct neighbour n = {lo, head->tid, origin, space->id, trace, NULL};

	if (lo)
		ledger__each(&space->ledger, lo - 1, lo, find_continued, &n);
	return n.record ? record__ref(n.record) : record__new(origin, space->id, head, comm, trace);
}

int creation__apply(struct space *space, const struct creation *what)
{
	const struct mp_event_head *head = what->head;
	struct ledger_range range = {.start = what->lo,
				     .end = what->hi,
				     .name = what->name,
				     .touched_ns = head->time_ns,
				     .named_ns = what->named_ns};
	bool growth =
		what->origin == ORIGIN_BRK || (what->origin == ORIGIN_MREMAP && !what->attached);
	int err;

	uses__add(&space->uses, space->account, what->trace, what->hi - what->lo, head->time_ns);
	range.record =
		growth ? growth_record(space, what->origin, what->lo, head, what->comm, what->trace)
		       : record__new(what->origin, space->id, head, what->comm, what->trace);
	if (!range.record) {
		ledger__erase(&space->ledger, space->tools->pool, what->lo, what->hi);
		space__forget_makers(space, what->lo, what->hi);
		return -ENOMEM;
	}
	if (!growth) {
		range.record->lo = what->attached ? what->base : what->lo;
		range.record->hi = what->hi;
		range.record->attached = what->attached;
		range.record->is_code = what->is_code;
		range.record->for_stack = what->for_stack;
		range.record->reservation = trace__ref(what->reservation);
	}
	err = creation__put(space, &range);
	record__unref(range.record);
	return err;
}
