// SPDX-License-Identifier: BSD-2-Clause
#include "model/touching.h"

static int was_made_here(const struct ledger_range *range, void *ctx)
{
	return range->record->space == *(uint64_t *)ctx;
}

/* A page that the parent had, and that the child writes, is a copy, and so a new one. Where events
 * of the child's were lost, it may be the child's own. */
static bool is_copied(const struct space *space, uint64_t page)
{
	const struct suspect *stale = &space->stale;
	uint64_t id = space->id;

	if (page >= stale->lo && page < stale->hi && stale->until > space->forked_ns)
		return false;
	return space->forked_ns && !touches__has(&space->touches, page, space->forked_ns) &&
	       !ledger__each(&space->ledger, page, page + 1, was_made_here, &id);
}

void touching__apply(struct space *space, const struct mp_event_touch *e, struct trace *trace)
{
	const struct suspect *suspect = &space->stale;
	uint64_t page = e->addr & ~(space->tools->page_size - 1);
	struct touch touch = {
		.addr = page, .trace = trace, .when_ns = e->head.time_ns, .faults = e->faults};

	if (e->head.time_ns <= suspect->until && page >= suspect->lo && page < suspect->hi)
		return;
	if (e->present && !is_copied(space, page))
		return;
	if (e->present)
		touches__debit(&space->touches, page, e->faults, space->forked_ns,
			       space->tools->page_size);
	touches__add(&space->touches, &touch, space->forked_ns);
}

static void empty(struct space *space, uint64_t addr, uint64_t len)
{
	uint64_t lo, hi;

	if (space__whole_pages(space, addr, len, space->tools->page_size, &lo, &hi))
		touches__erase(&space->touches, lo, hi, UINT64_MAX);
}

static void shrink_heap(struct space *space, const struct mp_event_brk *e)
{
	if (e->brk < space->heap_end && space->heap_end != HEAP_END_AT_START)
		touches__erase(&space->touches, e->brk, space->heap_end, UINT64_MAX);
}

void touching__follow(struct space *space, const union mp_event *event)
{
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		empty(space, event->mmap.addr, event->mmap.len);
		break;
	case MP_EVENT_SHMAT:
		empty(space, event->shmat.addr, event->shmat.len);
		break;
	case MP_EVENT_MUNMAP:
	case MP_EVENT_EMPTY:
		empty(space, event->range.addr, event->range.len);
		break;
	case MP_EVENT_BRK:
		shrink_heap(space, &event->brk);
		break;
	default: /* an mremap moves them, and shmdt tells no length: what is unmapped by it, the
		    ledger knows */
		break;
	}
}

void touching__move(struct space *space, const struct touch_move *move)
{
	struct suspect *stale = &space->stale;
	uint64_t old_len = move->old_hi - move->old_lo, new_len = move->new_hi - move->new_lo;
	uint64_t kept = old_len < new_len ? old_len : new_len;

	if (move->new_lo == move->old_lo) {
		touches__erase(&space->touches, move->old_lo + kept, move->old_hi, move->began_ns);
		return;
	}
	/* Where events were lost of a range, they are missing of where it goes, too. */
	if (move->old_lo < stale->hi && move->old_hi > stale->lo)
		suspect__widen(stale, move->new_lo, move->new_hi, stale->until);
	touches__erase(&space->touches, move->old_lo, move->old_hi, move->began_ns);
	touches__erase(&space->touches, move->new_lo, move->new_hi, UINT64_MAX);
	touches__move(&space->touches, move->before, move->old_lo, move->old_lo + kept,
		      move->new_lo - move->old_lo);
}

void touching__suspect(struct space *space, uint64_t lo, uint64_t hi, uint64_t until)
{
	if (lo >= hi)
		return;
	touches__erase(&space->touches, lo, hi, until);
	suspect__widen(&space->stale, lo, hi, until);
}
