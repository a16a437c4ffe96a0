// SPDX-License-Identifier: BSD-2-Clause
#include "model/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/code.h"
#include "model/naming.h"
#include "model/stacks.h"
#include "model/uses.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#define MAP_HUGE_MASK	   0x3f
#define DEFAULT_HUGE_SHIFT 21 /* x86-64 and arm64 with 4 KiB pages */
#define MAX_TRANSITS	   16 /* threads of one process within mremap at one time */

/* The ledger as an mremap found it: by the time the call has ended, another thread may have
 * mapped the addresses that it moved away from. */
struct transit {
	struct transit *next;
	uint32_t tid;
	uint64_t began_ns;
	struct ledger ledger;
};

static void transit_free(struct transit *t)
{
	ledger__free(&t->ledger);
	free(t);
}

/* Without what a fork shares. */
static struct space *space_new(struct space_tools *tools)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space)
		return NULL;
	space->users = 1;
	space->id = ++tools->last_id;
	return space;
}

struct space *space__new(struct space_tools *tools)
{
	struct space *space = space_new(tools);

	if (!space)
		return NULL;
	space->code_id = ++tools->last_code_id;
	space->image = image__new(&tools->image_nodes);
	if (!space->image) {
		space__unref(space);
		return NULL;
	}
	space->family = space->id;
	return space;
}

struct space *space__fork(struct space_tools *tools, const struct space *parent)
{
	struct space *space = space_new(tools);

	if (!space)
		return NULL;
	space->ledger = ledger__copy(&parent->ledger);
	space->image = parent->image ? image__ref(parent->image) : NULL;
	space->code_id = parent->code_id;
	space->family = parent->family;
	space->heap_end = parent->heap_end;
	space->heap_end_learned = parent->heap_end_learned;
	space->exec_space = parent->exec_space;
	space->doubt = parent->doubt;
	space->overflowed = parent->overflowed;
	space->late_names = parent->late_names;
	return space;
}

struct space *space__ref(struct space *space)
{
	space->users++;
	return space;
}

void space__unref(struct space *space)
{
	struct transit *t, *next;

	if (!space || --space->users)
		return;
	for (t = space->transits; t; t = next) {
		next = t->next;
		transit_free(t);
	}
	ledger__free(&space->ledger);
	stacks__free(&space->stacks);
	record__unref(space->unwitnessed);
	image__unref(space->image);
	uses__free(space->uses);
	free(space);
}

bool space__whole_pages(const struct space_tools *tools, uint64_t addr, uint64_t len, uint64_t unit,
			uint64_t *lo, uint64_t *hi)
{
	uint64_t end;

	if (!len || addr & (tools->page_size - 1) || __builtin_add_overflow(len, unit - 1, &len) ||
	    __builtin_add_overflow(addr, len & ~(unit - 1), &end) || end <= addr)
		return false;
	*lo = addr;
	*hi = end;
	return true;
}

/* Puts a range, or at least takes away what is no longer true. */
static int put(struct space *space, struct space_tools *tools, const struct ledger_range *range)
{
	int err = ledger__put(&space->ledger, tools->pool, range);

	if (err) {
		space->overflowed |= err == -ENOSPC;
		ledger__erase(&space->ledger, tools->pool, range->start, range->end);
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

struct creation {
	uint64_t lo;
	uint64_t hi;
	enum origin origin;
	bool for_stack;
	bool attached;
	uint64_t base; /* of an attachment: where its first page would be */
	const struct mp_event_head *head;
	const char *comm;
	struct trace *trace;
};

static int create(struct space *space, struct space_tools *tools, const struct creation *what)
{
	const struct mp_event_head *head = what->head;
	struct ledger_range range = {
		.start = what->lo, .end = what->hi, .touched_ns = head->time_ns};
	bool growth =
		what->origin == ORIGIN_BRK || (what->origin == ORIGIN_MREMAP && !what->attached);
	int err;

	uses__add(&space->uses, what->trace, what->hi - what->lo, head->time_ns);
	range.record =
		growth ? growth_record(space, what->origin, what->lo, head, what->comm, what->trace)
		       : record__new(what->origin, space->id, head, what->comm, what->trace);
	if (!range.record) {
		ledger__erase(&space->ledger, tools->pool, what->lo, what->hi);
		return -ENOMEM;
	}
	if (!growth) {
		range.record->lo = what->attached ? what->base : what->lo;
		range.record->hi = what->hi;
		range.record->attached = what->attached;
		range.record->for_stack = what->for_stack;
	}
	err = put(space, tools, &range);
	record__unref(range.record);
	return err;
}

/* Huge pages round the length further (mmap(2), MAP_HUGETLB). */
static uint64_t mmap_unit(const struct space_tools *tools, uint32_t flags)
{
	unsigned shift = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;
	uint64_t unit = 1ULL << (shift ? shift : DEFAULT_HUGE_SHIFT);

	if (!(flags & MAP_HUGETLB) || !(flags & MAP_ANONYMOUS) || unit < tools->page_size)
		return tools->page_size;
	return unit;
}

static int apply_mmap(struct space *space, struct space_tools *tools, const struct mp_event_mmap *e,
		      struct trace *trace)
{
	uint64_t lo, hi;

	if (!space__whole_pages(tools, e->addr, e->len, mmap_unit(tools, e->flags), &lo, &hi))
		return -EINVAL;
	return create(space, tools,
		      &(struct creation){.lo = lo,
					 .hi = hi,
					 .origin = ORIGIN_MMAP,
					 .for_stack = e->flags & MAP_STACK,
					 .head = &e->head,
					 .comm = e->comm,
					 .trace = trace});
}

static int apply_munmap(struct space *space, struct space_tools *tools,
			const struct mp_event_range *e)
{
	uint64_t lo, hi;

	if (!space__whole_pages(tools, e->addr, e->len, tools->page_size, &lo, &hi))
		return -EINVAL;
	return ledger__erase(&space->ledger, tools->pool, lo, hi);
}

static struct transit *end_transit(struct space *space, uint32_t tid)
{
	struct transit **at = &space->transits, *t;

	while (*at && (*at)->tid != tid)
		at = &(*at)->next;
	t = *at;
	if (t)
		*at = t->next;
	return t;
}

static int begin_transit(struct space *space, const struct mp_event_range *e)
{
	/* A thread is in one mremap at a time: the end of an earlier one was lost. */
	struct transit *t = end_transit(space, e->head.tid), **end;
	size_t n = 0;

	if (t)
		transit_free(t);
	/* Threads that died within mremap leave theirs behind: the oldest goes. */
	for (end = &space->transits; *end; end = &(*end)->next)
		n++;
	if (n >= MAX_TRANSITS) {
		t = space->transits;
		space->transits = t->next;
		transit_free(t);
		for (end = &space->transits; *end; end = &(*end)->next)
			;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->tid = e->head.tid;
	t->began_ns = e->head.time_ns;
	t->ledger = ledger__copy(&space->ledger);
	*end = t;
	return 0;
}

struct move {
	struct space *space;
	struct space_tools *tools;
	bool several;	   /* VMAs, and holes between them */
	uint64_t distance; /* modulo 2^64 */
	uint64_t now;
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
	moved.touched_ns = m->now;
	if (moved.record->attached)
		err = move_attachment(m, &moved);
	return err ? err : put(m->space, m->tools, &moved);
}

static int move_one(const struct ledger_range *range, void *ctx)
{
	struct move *m = ctx;
	const struct doubt *doubt = &m->space->doubt;
	uint64_t lo = range->start, hi = range->end;
	int err;

	if (!doubt->hi || range->touched_ns > doubt->until)
		return move_piece(m, range, lo, hi);
	/* What is doubtful must not get to where nobody would doubt it. */
	err = move_piece(m, range, lo, hi < doubt->lo ? hi : doubt->lo);
	return err ? err : move_piece(m, range, lo > doubt->hi ? lo : doubt->hi, hi);
}

static int first_range(const struct ledger_range *range, void *ctx)
{
	*(struct ledger_range *)ctx = *range;
	return 1;
}

/* What an mremap adds to the mapping at e->old_addr. An attachment stays one. */
static int create_more(struct space *space, struct space_tools *tools, const struct ledger *before,
		       const struct mp_event_mremap *e, struct trace *trace, uint64_t lo,
		       uint64_t hi)
{
	struct creation what = {.lo = lo,
				.hi = hi,
				.origin = ORIGIN_MREMAP,
				.head = &e->head,
				.comm = e->comm,
				.trace = trace};
	struct ledger_range from = {0};

	ledger__each(before, e->old_addr, e->old_addr + 1, first_range, &from);
	if (from.record && from.record->attached) {
		what.attached = true;
		what.base = from.record->lo + (e->new_addr - e->old_addr);
	}
	return create(space, tools, &what);
}

/* Several VMAs, and the holes between them, are moved one by one (since Linux 6.17). */
static bool moves_several(const struct mp_event_mremap *e, uint64_t old_len, uint64_t new_len)
{
	return e->flags & MREMAP_FIXED && old_len == new_len;
}

/* Some may have been moved before one could not be: who knows which. */
static int fail_mremap(struct space *space, struct space_tools *tools,
		       const struct mp_event_mremap *e, uint64_t began)
{
	uint64_t old_lo, old_hi, new_lo, new_hi, unit = tools->page_size;
	int err;

	if (!space__whole_pages(tools, e->old_addr, e->old_len, unit, &old_lo, &old_hi) ||
	    !space__whole_pages(tools, e->new_addr, e->new_len, unit, &new_lo, &new_hi) ||
	    !moves_several(e, old_hi - old_lo, new_hi - new_lo) ||
	    (new_lo < old_hi && old_lo < new_hi)) /* refused at once */
		return 0;
	err = ledger__erase_older(&space->ledger, tools->pool, old_lo, old_hi, began);
	if (!err)
		err = ledger__erase_older(&space->ledger, tools->pool, new_lo, new_hi,
					  e->head.time_ns);
	return err;
}

/*
 * mremap(2). What was there keeps its creator, wherever it goes; what the call added was created
 * by it. An old length of 0 maps shared memory a second time: that is a creation too.
 */
static int apply_mremap(struct space *space, struct space_tools *tools,
			const struct mp_event_mremap *e, struct trace *trace)
{
	struct transit *t = end_transit(space, e->head.tid);
	struct ledger before = t ? t->ledger : ledger__copy(&space->ledger);
	uint64_t began = t ? t->began_ns : e->head.time_ns;
	uint64_t unit = tools->page_size;
	uint64_t old_lo = e->old_addr, old_hi = old_lo, new_lo, new_hi, kept;
	int err = 0;

	free(t);
	if (!e->new_addr || e->failed) {
		err = e->new_addr ? fail_mremap(space, tools, e, began) : 0;
		goto out;
	}
	if (!space__whole_pages(tools, e->new_addr, e->new_len, unit, &new_lo, &new_hi) ||
	    (e->old_len &&
	     !space__whole_pages(tools, e->old_addr, e->old_len, unit, &old_lo, &old_hi))) {
		err = -EINVAL;
		goto out;
	}
	kept = old_hi - old_lo < new_hi - new_lo ? old_hi - old_lo : new_hi - new_lo;

	if (new_lo == old_lo) {
		if (old_lo + kept < old_hi)
			err = ledger__erase_older(&space->ledger, tools->pool, old_lo + kept,
						  old_hi, began);
	} else {
		struct move move = {.space = space,
				    .tools = tools,
				    .several = moves_several(e, old_hi - old_lo, new_hi - new_lo),
				    .distance = new_lo - old_lo,
				    .now = e->head.time_ns};

		if (old_lo < old_hi && !(e->flags & MREMAP_DONTUNMAP))
			err = ledger__erase_older(&space->ledger, tools->pool, old_lo, old_hi,
						  began);
		if (!err)
			err = ledger__erase(&space->ledger, tools->pool, new_lo, new_hi);
		if (!err && kept)
			err = ledger__each(&before, old_lo, old_lo + kept, move_one, &move);
		record__unref(move.to);
	}
	if (!err && new_lo + kept < new_hi)
		err = create_more(space, tools, &before, e, trace, new_lo + kept, new_hi);
out:
	ledger__free(&before);
	return err;
}

struct forgetting {
	struct space *space;
	struct space_tools *tools;
	bool heap; /* or else only what nothing is known of: a hole that was named */
};

static int forget_one(const struct ledger_range *range, void *ctx)
{
	struct forgetting *f = ctx;
	enum origin origin = range->record->origin;

	if (origin != ORIGIN_UNKNOWN &&
	    !(f->heap && (origin == ORIGIN_BRK || origin == ORIGIN_PREDATES)))
		return 0;
	return ledger__erase(&f->space->ledger, f->tools->pool, range->start, range->end);
}

static int forget(struct space *space, struct space_tools *tools, uint64_t lo, uint64_t hi,
		  bool heap)
{
	struct forgetting f = {space, tools, heap};
	struct ledger before = ledger__copy(&space->ledger);
	int err = ledger__each(&before, lo, hi, forget_one, &f);

	ledger__free(&before);
	return err;
}

static int reach_end(const struct ledger_range *range, void *ctx)
{
	if (range->record->origin != ORIGIN_UNKNOWN)
		*(uint64_t *)ctx = range->end;
	return 0;
}

static int apply_brk(struct space *space, struct space_tools *tools, const struct mp_event_brk *e,
		     struct trace *trace)
{
	uint64_t mask = tools->page_size - 1, begin, from, to;
	bool learned = space->heap_end_learned;

	if (__builtin_add_overflow(e->brk, mask, &to) ||
	    __builtin_add_overflow(e->start_brk, mask, &begin))
		return -EINVAL;
	to &= ~mask;
	begin &= ~mask;
	from = space->heap_end == HEAP_END_AT_START ? begin : space->heap_end;
	space->heap_end = to;
	space->heap_end_learned = false;
	/* It is not known which part of the heap is new. Names that were given to holes are not
	 * its; other mappings are there, and were before. */
	if (from == HEAP_END_UNKNOWN)
		return begin < to ? forget(space, tools, begin, to, false) : 0;
	if (from == to)
		return 0;
	if (to < from && learned) /* above the heap's end may lie what maps shows as one with it */
		return forget(space, tools, to, from, true);
	if (to < from)
		return ledger__erase(&space->ledger, tools->pool, to, from);
	/* The heap never grows over what is mapped: that lies below where it really ended. */
	if (learned)
		ledger__each(&space->ledger, from, to, reach_end, &from);
	if (from == to)
		return 0;
	return create(space, tools,
		      &(struct creation){.lo = from,
					 .hi = to,
					 .origin = ORIGIN_BRK,
					 .head = &e->head,
					 .comm = e->comm,
					 .trace = trace});
}

static int apply_shmat(struct space *space, struct space_tools *tools,
		       const struct mp_event_shmat *e, struct trace *trace)
{
	uint64_t lo, hi;

	if (!space__whole_pages(tools, e->addr, e->len, tools->page_size, &lo, &hi))
		return -EINVAL;
	return create(space, tools,
		      &(struct creation){.lo = lo,
					 .hi = hi,
					 .origin = ORIGIN_SHMAT,
					 .attached = true,
					 .base = lo,
					 .head = &e->head,
					 .comm = e->comm,
					 .trace = trace});
}

struct attachment {
	struct space *space;
	struct space_tools *tools;
	uint64_t base;
	const struct record *record; /* the first that was found */
};

static int detach_one(const struct ledger_range *range, void *ctx)
{
	struct attachment *a = ctx;

	if (!range->record->attached || range->record->lo != a->base ||
	    (a->record && range->record != a->record))
		return 0;
	a->record = range->record;
	return ledger__erase(&a->space->ledger, a->tools->pool, range->start, range->end);
}

/* shmdt(2) names only the address that shmat returned: what goes is what is left of what that call
 * brought (ipc/shm.c, ksys_shmdt). */
static int apply_shmdt(struct space *space, struct space_tools *tools,
		       const struct mp_event_shmdt *e)
{
	struct attachment a = {space, tools, e->addr, NULL};
	struct ledger before = ledger__copy(&space->ledger);
	int err = ledger__each(&before, e->addr, UINT64_MAX, detach_one, &a);

	ledger__free(&before);
	return err ? err : a.record ? 0 : -EINVAL;
}

static void sweep(struct space *space, struct space_tools *tools)
{
	const struct doubt *doubt = &space->doubt;

	ledger__erase_older(&space->ledger, tools->pool, doubt->lo, doubt->hi, doubt->until);
	for (struct transit *t = space->transits; t; t = t->next)
		ledger__erase_older(&t->ledger, tools->pool, doubt->lo, doubt->hi, doubt->until);
	if (space->heap_end <= doubt->hi &&
	    (space->heap_end >= doubt->lo || space->heap_end == HEAP_END_AT_START))
		space->heap_end = HEAP_END_UNKNOWN;
	space->doubt.swept = true;
	space->generation++;
}

void space__begin_event(struct space *space, struct space_tools *tools,
			const struct mp_event_head *head)
{
	if (space->doubt.hi && !space->doubt.swept && head->time_ns > space->doubt.until)
		sweep(space, tools);
	/* Counted also when it cannot be applied: the map may have changed all the same. */
	space->generation++;
}

void space__doubt(struct space *space, struct space_tools *tools, uint64_t lo, uint64_t hi,
		  uint64_t until)
{
	struct doubt *doubt = &space->doubt;
	uint64_t mask = tools->page_size - 1;

	if (lo >= hi)
		return;
	if (doubt->swept) /* of an earlier drain, whose events have all been applied */
		space__settle(space, tools);
	/* What was lost spoke of lengths as the programs gave them. */
	lo &= ~mask;
	hi = hi > UINT64_MAX - mask ? UINT64_MAX : (hi + mask) & ~mask;
	*doubt = (struct doubt){
		.lo = doubt->hi && doubt->lo < lo ? doubt->lo : lo,
		.hi = doubt->hi > hi ? doubt->hi : hi,
		.until = doubt->until > until ? doubt->until : until,
	};
	space->generation++;
}

void space__settle(struct space *space, struct space_tools *tools)
{
	if (!space->doubt.hi)
		return;
	sweep(space, tools);
	space->doubt = (struct doubt){0};
}

int space__apply(struct space *space, struct space_tools *tools, const union mp_event *event,
		 struct trace *trace)
{
	space__begin_event(space, tools, &event->head);
	code__follow(space, tools, event);
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		return apply_mmap(space, tools, &event->mmap, trace);
	case MP_EVENT_MUNMAP:
		return apply_munmap(space, tools, &event->range);
	case MP_EVENT_MREMAP_ENTER:
		return begin_transit(space, &event->range);
	case MP_EVENT_MREMAP:
		return apply_mremap(space, tools, &event->mremap, trace);
	case MP_EVENT_BRK:
		return apply_brk(space, tools, &event->brk, trace);
	case MP_EVENT_SHMAT:
		return apply_shmat(space, tools, &event->shmat, trace);
	case MP_EVENT_SHMDT:
		return apply_shmdt(space, tools, &event->shmdt);
	case MP_EVENT_NAME:
		return naming__apply(space, tools, &event->name, trace);
	case MP_EVENT_THREAD:
		return stacks__begin(space, tools, &event->thread);
	case MP_EVENT_COMM:
		return stacks__rename(space, tools, event->head.tid, event->comm.comm,
				      event->head.time_ns);
	default:
		return -EINVAL;
	}
}
