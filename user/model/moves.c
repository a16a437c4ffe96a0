// SPDX-License-Identifier: BSD-2-Clause
#include "model/moves.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "model/creation.h"
#include "model/touching.h"
#include "model/transit.h"

int moves__begin(struct space *space, const struct mp_event_range *e)
{
	return transits__begin(&space->transits, &space->ledger, &space->touches, &e->head);
}

struct move {
	struct space *space;
	const struct mp_event_mremap *e;
	const struct ledger *ledger; /* as the call found it */
	struct trace *trace;
	bool several;		   /* VMAs, and holes between them */
	uint64_t distance;	   /* modulo 2^64 */
	const struct record *from; /* the last attachment that was moved, and what it is now */
	struct record *to;
};

/* shmdt finds an attachment by where its first page would be, which moves with it. */
static int move_attachment(struct move *m, struct ledger_range *moved)
{
	if (moved->record != m->from) {
		struct record *copy = record__copy(moved->record);

		if (!copy)
			return -ENOMEM;
		copy->lo += m->distance;
		copy->hi += m->distance;
		record__unref(m->to);
		m->from = moved->record;
		m->to = copy;
	}
	moved->record = m->to;
	return 0;
}

static int move_piece(struct move *m, const struct ledger_range *range, uint64_t lo, uint64_t hi)
{
	struct ledger_range moved = *range;
	int err = 0;

	if (lo >= hi)
		return 0;
	/* Was it a hole that was named? Then what is there now has stayed, with its own name. */
	if (m->several && range->record->origin == ORIGIN_UNKNOWN)
		return 0;
	moved.start = lo + m->distance;
	moved.end = hi + m->distance;
	moved.touched_ns = m->e->head.time_ns;
	if (moved.record->attached)
		err = move_attachment(m, &moved);
	return err ? err : creation__put(m->space, &moved);
}

static bool is_suspect(const struct move *m, const struct ledger_range *range)
{
	const struct suspect *suspect = &m->space->suspect;

	return suspect->hi && range->touched_ns <= suspect->until;
}

static int move_one(const struct ledger_range *range, void *ctx)
{
	struct move *m = ctx;
	const struct suspect *suspect = &m->space->suspect;
	uint64_t lo = range->start, hi = range->end;
	int err;

	if (!is_suspect(m, range))
		return move_piece(m, range, lo, hi);
	/* What is suspect must not get to where nothing is. */
	err = move_piece(m, range, lo, hi < suspect->lo ? hi : suspect->lo);
	return err ? err : move_piece(m, range, lo > suspect->hi ? lo : suspect->hi, hi);
}

static int first_range(const struct ledger_range *range, void *ctx)
{
	*(struct ledger_range *)ctx = *range;
	return 1;
}

/*
 * What an mremap adds continues the page at `last`: the mapping's name is its name, too, and an
 * attachment stays one. The kernel extends or copies one VMA, which has one name; where it takes
 * no names, that VMA may have pieces of several, and the last one is continued.
 */
static int create_more(struct move *m, uint64_t last, uint64_t lo, uint64_t hi)
{
	const struct suspect *suspect = &m->space->suspect;
	struct creation what = {.lo = lo,
				.hi = hi,
				.origin = ORIGIN_MREMAP,
				.head = &m->e->head,
				.comm = m->e->comm,
				.trace = m->trace};
	struct ledger_range from = {0};

	ledger__each(m->ledger, last, last + 1, first_range, &from);
	if (from.record && from.record->attached) {
		what.attached = true;
		what.base = from.record->lo + m->distance;
	}
	/* A name that is suspect must not get to where nothing is. */
	if (!is_suspect(m, &from) || last < suspect->lo || last >= suspect->hi) {
		what.name = from.name;
		what.named_ns = from.named_ns;
	}
	return creation__apply(m->space, &what);
}

/* Several VMAs, and the holes between them, are moved one by one (since Linux 6.17). */
static bool moves_several(const struct mp_event_mremap *e, uint64_t old_len, uint64_t new_len)
{
	return e->flags & MREMAP_FIXED && old_len == new_len;
}

/* Some may have been moved before one could not be; which ones is not known. */
static int fail_mremap(struct space *space, const struct mp_event_mremap *e, uint64_t began)
{
	uint64_t old_lo, old_hi, new_lo, new_hi, unit = space->tools->page_size;
	int err = 0;

	if (!space__whole_pages(space, e->old_addr, e->old_len, unit, &old_lo, &old_hi) ||
	    !space__whole_pages(space, e->new_addr, e->new_len, unit, &new_lo, &new_hi) ||
	    !moves_several(e, old_hi - old_lo, new_hi - new_lo) ||
	    (new_lo < old_hi && old_lo < new_hi)) /* refused at once */
		return 0;
	touching__suspect(space, old_lo, old_hi, began);
	touching__suspect(space, new_lo, new_hi, e->head.time_ns);
	if (space__may_change(space, old_lo, old_hi))
		err = ledger__erase_older(&space->ledger, space->tools->pool, old_lo, old_hi,
					  began);
	if (!err && space__may_change(space, new_lo, new_hi))
		err = ledger__erase_older(&space->ledger, space->tools->pool, new_lo, new_hi,
					  e->head.time_ns);
	return err;
}

/* An old length of 0 maps shared memory a second time: that is a creation too. */
int moves__end(struct space *space, const struct mp_event_mremap *e, struct trace *trace)
{
	struct transit *t = transits__end(&space->transits, e->head.tid);
	struct ledger before = t ? t->ledger : ledger__copy(&space->ledger);
	struct touches touches = t ? t->touches : touches__copy(&space->touches);
	uint64_t began = t ? t->began_ns : e->head.time_ns;
	uint64_t unit = space->tools->page_size;
	uint64_t old_lo = e->old_addr, old_hi = old_lo, new_lo, new_hi, kept;
	struct move move = {.space = space, .e = e, .ledger = &before, .trace = trace};
	int err = 0;

	free(t);
	if (!e->new_addr || e->failed) {
		err = e->new_addr ? fail_mremap(space, e, began) : 0;
		goto out;
	}
	if (!space__whole_pages(space, e->new_addr, e->new_len, unit, &new_lo, &new_hi) ||
	    (e->old_len &&
	     !space__whole_pages(space, e->old_addr, e->old_len, unit, &old_lo, &old_hi))) {
		err = -EINVAL;
		goto out;
	}
	kept = old_hi - old_lo < new_hi - new_lo ? old_hi - old_lo : new_hi - new_lo;
	move.several = moves_several(e, old_hi - old_lo, new_hi - new_lo);
	move.distance = new_lo - old_lo;
	touching__move(space,
		       &(struct touch_move){&touches, began, old_lo, old_hi, new_lo, new_hi});
	if (!space__may_change(space, old_lo, old_hi)) {
		err = ledger__erase(&space->ledger, space->tools->pool, new_lo, new_hi);
		goto out;
	}

	if (new_lo == old_lo) {
		if (old_lo + kept < old_hi)
			err = ledger__erase_older(&space->ledger, space->tools->pool, old_lo + kept,
						  old_hi, began);
	} else {
		if (old_lo < old_hi && !(e->flags & MREMAP_DONTUNMAP))
			err = ledger__erase_older(&space->ledger, space->tools->pool, old_lo,
						  old_hi, began);
		if (!err)
			err = ledger__erase(&space->ledger, space->tools->pool, new_lo, new_hi);
		if (!err && kept)
			err = ledger__each(&before, old_lo, old_lo + kept, move_one, &move);
	}
	if (!err && new_lo + kept < new_hi)
		err = create_more(&move, kept ? old_hi - 1 : old_lo, new_lo + kept, new_hi);
out:
	record__unref(move.to);
	ledger__free(&before);
	touches__free(&touches);
	return err;
}

void moves__drop_suspect(struct space *space)
{
	const struct suspect *suspect = &space->suspect;

	for (struct transit *t = space->transits; t; t = t->next) {
		size_t n = ledger__count_within(&t->ledger, suspect->lo, suspect->hi);

		if (account__spend(space->account, n))
			ledger__erase_older(&t->ledger, space->tools->pool, suspect->lo,
					    suspect->hi, suspect->until);
		else
			ledger__erase(&t->ledger, space->tools->pool, suspect->lo, suspect->hi);
	}
}
