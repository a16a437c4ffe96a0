// SPDX-License-Identifier: BSD-2-Clause
#include "model/changes.h"

#include <errno.h>
#include <sys/mman.h>

#include "model/attachments.h"
#include "model/code.h"
#include "model/creation.h"
#include "model/heap.h"
#include "model/moves.h"
#include "model/naming.h"
#include "model/stack_names.h"
#include "model/touching.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#define MAP_HUGE_MASK	   0x3f
#define DEFAULT_HUGE_SHIFT 21 /* x86-64 and arm64 with 4 KiB pages */

/* Huge pages round the length further (mmap(2), MAP_HUGETLB). */
static uint64_t mmap_unit(const struct space *space, uint32_t flags)
{
	unsigned shift = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;
	uint64_t unit = 1ULL << (shift ? shift : DEFAULT_HUGE_SHIFT);

	if (!(flags & MAP_HUGETLB) || !(flags & MAP_ANONYMOUS) || unit < space->tools->page_size)
		return space->tools->page_size;
	return unit;
}

struct reserved {
	uint64_t reached;
	struct trace *trace;
	unsigned visited;
};

/* A mapping over more ranges than that is of none of them. */
#define RESERVED_RANGES 4096

static int follow_reservation(const struct ledger_range *range, void *ctx)
{
	struct reserved *r = ctx;
	struct trace *trace = range->record->reservation ?: range->record->trace;

	if (range->start != r->reached || !trace || (r->trace && r->trace != trace) ||
	    ++r->visited > RESERVED_RANGES)
		return 1;
	r->reached = range->end;
	r->trace = trace;
	return 0;
}

/* Runtimes reserve addresses with one call, and make memory of them piece by piece with others,
 * which may be the same for all that they reserve. Borrowed; NULL when not all of [lo, hi) was
 * reserved by one. */
static struct trace *find_reservation(const struct space *space, uint64_t lo, uint64_t hi)
{
	struct reserved r = {.reached = lo};

	if (ledger__each(&space->ledger, lo, hi, follow_reservation, &r) || r.reached != hi)
		return NULL;
	return r.trace;
}

static int apply_mmap(struct space *space, const struct mp_event_mmap *e, struct trace *trace)
{
	struct trace *reservation = NULL;
	uint64_t lo, hi;

	if (!space__whole_pages(space, e->addr, e->len, mmap_unit(space, e->flags), &lo, &hi))
		return -EINVAL;
	if (e->flags & MAP_FIXED)
		reservation = find_reservation(space, lo, hi);
	return creation__apply(space, &(struct creation){.lo = lo,
							 .hi = hi,
							 .origin = ORIGIN_MMAP,
							 .is_code = e->prot & PROT_EXEC,
							 .for_stack = e->flags & MAP_STACK,
							 .head = &e->head,
							 .comm = e->comm,
							 .trace = trace,
							 .reservation = reservation});
}

static int apply_munmap(struct space *space, const struct mp_event_range *e)
{
	uint64_t lo, hi;

	if (!space__whole_pages(space, e->addr, e->len, space->tools->page_size, &lo, &hi))
		return -EINVAL;
	return ledger__erase(&space->ledger, space->tools->pool, lo, hi);
}

static void drop_suspect(struct space *space)
{
	const struct suspect *suspect = &space->suspect;

	if (space__may_change(space, suspect->lo, suspect->hi))
		ledger__erase_older(&space->ledger, space->tools->pool, suspect->lo, suspect->hi,
				    suspect->until);
	moves__drop_suspect(space);
	if (space->heap_end_ns <= suspect->until && space->heap_end <= suspect->hi &&
	    (space->heap_end >= suspect->lo || space->heap_end == HEAP_END_AT_START))
		space->heap_end = HEAP_END_UNKNOWN;
	space->suspect.swept = true;
	space->generation++;
}

void changes__begin(struct space *space, const struct mp_event_head *head)
{
	if (space->suspect.hi && !space->suspect.swept && head->time_ns > space->suspect.until)
		drop_suspect(space);
	account__earn(space->account);
	/* Counted also when it cannot be applied: the map may have changed all the same. */
	space->generation++;
}

void changes__suspect(struct space *space, uint64_t lo, uint64_t hi, uint64_t until)
{
	struct suspect *suspect = &space->suspect;
	uint64_t mask = space->tools->page_size - 1;

	if (lo >= hi)
		return;
	if (suspect->swept) /* of an earlier drain, whose events have all been applied */
		changes__drop_suspect(space);
	/* What was lost spoke of lengths as the programs gave them. */
	lo &= ~mask;
	hi = hi > UINT64_MAX - mask ? UINT64_MAX : (hi + mask) & ~mask;
	suspect__widen(suspect, lo, hi, until);
	code__suspect(space, lo, hi, until);
	touching__suspect(space, lo, hi, until);
	space->generation++;
}

void changes__drop_suspect(struct space *space)
{
	if (!space->suspect.hi)
		return;
	drop_suspect(space);
	space->suspect = (struct suspect){0};
}

int changes__apply(struct space *space, const union mp_event *event, struct trace *trace)
{
	changes__begin(space, &event->head);
	code__follow(space, event);
	touching__follow(space, event);
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		return apply_mmap(space, &event->mmap, trace);
	case MP_EVENT_MUNMAP:
		return apply_munmap(space, &event->range);
	case MP_EVENT_MREMAP_ENTER:
		return moves__begin(space, &event->range);
	case MP_EVENT_MREMAP:
		return moves__end(space, &event->mremap, trace);
	case MP_EVENT_BRK:
		return heap__apply(space, &event->brk, trace);
	case MP_EVENT_SHMAT:
		return attachments__add(space, &event->shmat, trace);
	case MP_EVENT_SHMDT:
		return attachments__remove(space, &event->shmdt);
	case MP_EVENT_NAME:
		return naming__apply(space, &event->name, trace);
	case MP_EVENT_THREAD:
		return stack_names__begin(space, &event->thread);
	case MP_EVENT_COMM:
		return stack_names__rename(space, event->head.tid, event->comm.comm,
					   event->head.time_ns);
	default:
		return -EINVAL;
	}
}
