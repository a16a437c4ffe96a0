// SPDX-License-Identifier: BSD-2-Clause
#include "model/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/code.h"
#include "model/creation.h"
#include "model/moves.h"
#include "model/naming.h"
#include "model/stacks.h"
#include "model/uses.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#define MAP_HUGE_MASK	   0x3f
#define DEFAULT_HUGE_SHIFT 21 /* x86-64 and arm64 with 4 KiB pages */

void pending__unref(struct pending *pending)
{
	if (pending && !--pending->refs)
		free(pending);
}

/* Without what a fork shares. */
static struct space *space_new(struct space_tools *tools)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space)
		return NULL;
	space->users = 1;
	space->tools = tools;
	space->id = ++tools->last_id;
	return space;
}

struct space *space__new(struct space_tools *tools)
{
	struct space *space = space_new(tools);

	if (!space)
		return NULL;
	space->code_id = ++tools->last_code_id;
	space->account = account__new(tools->budget, space->id);
	if (space->account)
		space->image = image__new(&tools->images, space->account);
	space->ledger.account = space->account;
	space->pending = calloc(1, sizeof(*space->pending));
	if (!space->account || !space->image || !space->pending) {
		space__unref(space);
		return NULL;
	}
	space->pending->refs = 1;
	return space;
}

struct space *space__fork(const struct space *parent)
{
	struct space *space = space_new(parent->tools);

	if (!space)
		return NULL;
	space->account = account__ref(parent->account);
	space->ledger = ledger__copy(&parent->ledger);
	space->image = parent->image ? image__ref(parent->image) : NULL;
	space->code_id = parent->code_id;
	space->code_added_ns = parent->code_added_ns;
	space->code_gone_ns = parent->code_gone_ns;
	space->pending = parent->pending;
	space->pending->refs++;
	space->heap_end = parent->heap_end;
	space->heap_end_ns = parent->heap_end_ns;
	space->heap_end_learned = parent->heap_end_learned;
	space->exec_space = parent->exec_space;
	space->doubt = parent->doubt;
	space->overflowed = parent->overflowed;
	space->given_up = parent->given_up;
	space->late_names = parent->late_names;
	return space;
}

struct space *space__ref(struct space *space)
{
	space->users++;
	return space;
}

static void drop_past(struct space *space)
{
	moves__free(space);
	ledger__free(&space->ledger);
	stacks__free(&space->stacks);
	image__unref(space->image);
	space->image = NULL;
	uses__free(space->uses);
	space->uses = NULL;
}

void space__unref(struct space *space)
{
	if (!space || --space->users)
		return;
	drop_past(space);
	record__unref(space->unwitnessed);
	pending__unref(space->pending);
	account__unref(space->account);
	free(space);
}

void space__forget(struct space *space)
{
	drop_past(space);
	space->image = image__new(&space->tools->images, space->account);
	space->given_up++;
	space->generation++;
}

bool space__may_change(struct space *space, uint64_t lo, uint64_t hi)
{
	if (account__spend(space->account, ledger__count_within(&space->ledger, lo, hi)))
		return true;
	budget__count(space->tools->budget, GIVE_UP_WORK, 1);
	ledger__erase(&space->ledger, space->tools->pool, lo, hi);
	space->given_up++;
	return false;
}

bool space__whole_pages(const struct space *space, uint64_t addr, uint64_t len, uint64_t unit,
			uint64_t *lo, uint64_t *hi)
{
	uint64_t end;

	if (!len || addr & (space->tools->page_size - 1) ||
	    __builtin_add_overflow(len, unit - 1, &len) ||
	    __builtin_add_overflow(addr, len & ~(unit - 1), &end) || end <= addr)
		return false;
	*lo = addr;
	*hi = end;
	return true;
}

int creation__put(struct space *space, const struct ledger_range *range)
{
	int err = ledger__put(&space->ledger, space->tools->pool, range);

	if (err) {
		space->overflowed |= err == -ENOSPC;
		ledger__erase(&space->ledger, space->tools->pool, range->start, range->end);
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
		return -ENOMEM;
	}
	if (!growth) {
		range.record->lo = what->attached ? what->base : what->lo;
		range.record->hi = what->hi;
		range.record->attached = what->attached;
		range.record->for_stack = what->for_stack;
		range.record->reservation = trace__ref(what->reservation);
	}
	err = creation__put(space, &range);
	record__unref(range.record);
	return err;
}

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

static int apply_brk(struct space *space, const struct mp_event_brk *e, struct trace *trace)
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

static int apply_shmat(struct space *space, const struct mp_event_shmat *e, struct trace *trace)
{
	uint64_t lo, hi;

	if (!space__whole_pages(space, e->addr, e->len, space->tools->page_size, &lo, &hi))
		return -EINVAL;
	return creation__apply(space, &(struct creation){.lo = lo,
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
	uint64_t base;
	struct record *record; /* the first that is found */
};

static int find_attachment(const struct ledger_range *range, void *ctx)
{
	struct attachment *a = ctx;

	if (!range->record->attached || range->record->lo != a->base)
		return 0;
	a->record = range->record;
	return 1;
}

/* A page of which nothing is known but a name may be one of the attachment, too: an mremap that
 * failed may have taken the record away. */
static int detach_one(const struct ledger_range *range, void *ctx)
{
	struct attachment *a = ctx;
	uint64_t hi = a->record->hi;

	if (range->record != a->record && range->record->origin != ORIGIN_UNKNOWN)
		return 0;
	return ledger__erase(&a->space->ledger, a->space->tools->pool,
			     range->start > a->base ? range->start : a->base,
			     range->end < hi ? range->end : hi);
}

/* shmdt(2) names only the address that shmat returned: what goes is what is left of what that call
 * brought (ipc/shm.c, ksys_shmdt). */
static int apply_shmdt(struct space *space, const struct mp_event_shmdt *e)
{
	struct attachment a = {space, e->addr, NULL};
	int err;

	ledger__each(&space->ledger, e->addr, UINT64_MAX, find_attachment, &a);
	if (!a.record)
		return -EINVAL;
	record__ref(a.record);
	err = ledger__rewrite(&space->ledger, e->addr, a.record->hi, detach_one, &a);
	record__unref(a.record);
	return err;
}

static void sweep(struct space *space)
{
	const struct doubt *doubt = &space->doubt;

	if (space__may_change(space, doubt->lo, doubt->hi))
		ledger__erase_older(&space->ledger, space->tools->pool, doubt->lo, doubt->hi,
				    doubt->until);
	moves__doubt(space);
	if (space->heap_end_ns <= doubt->until && space->heap_end <= doubt->hi &&
	    (space->heap_end >= doubt->lo || space->heap_end == HEAP_END_AT_START))
		space->heap_end = HEAP_END_UNKNOWN;
	space->doubt.swept = true;
	space->generation++;
}

void space__begin_event(struct space *space, const struct mp_event_head *head)
{
	if (space->doubt.hi && !space->doubt.swept && head->time_ns > space->doubt.until)
		sweep(space);
	account__earn(space->account);
	/* Counted also when it cannot be applied: the map may have changed all the same. */
	space->generation++;
}

void space__doubt(struct space *space, uint64_t lo, uint64_t hi, uint64_t until)
{
	struct doubt *doubt = &space->doubt;
	uint64_t mask = space->tools->page_size - 1;

	if (lo >= hi)
		return;
	if (doubt->swept) /* of an earlier drain, whose events have all been applied */
		space__settle(space);
	/* What was lost spoke of lengths as the programs gave them. */
	lo &= ~mask;
	hi = hi > UINT64_MAX - mask ? UINT64_MAX : (hi + mask) & ~mask;
	*doubt = (struct doubt){
		.lo = doubt->hi && doubt->lo < lo ? doubt->lo : lo,
		.hi = doubt->hi > hi ? doubt->hi : hi,
		.until = doubt->until > until ? doubt->until : until,
	};
	code__doubt(space, lo, hi, until);
	space->generation++;
}

void space__settle(struct space *space)
{
	if (!space->doubt.hi)
		return;
	sweep(space);
	space->doubt = (struct doubt){0};
}

int space__apply(struct space *space, const union mp_event *event, struct trace *trace)
{
	space__begin_event(space, &event->head);
	code__follow(space, event);
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
		return apply_brk(space, &event->brk, trace);
	case MP_EVENT_SHMAT:
		return apply_shmat(space, &event->shmat, trace);
	case MP_EVENT_SHMDT:
		return apply_shmdt(space, &event->shmdt);
	case MP_EVENT_NAME:
		return naming__apply(space, &event->name, trace);
	case MP_EVENT_THREAD:
		return stacks__begin(space, &event->thread);
	case MP_EVENT_COMM:
		return stacks__rename(space, event->head.tid, event->comm.comm,
				      event->head.time_ns);
	default:
		return -EINVAL;
	}
}
