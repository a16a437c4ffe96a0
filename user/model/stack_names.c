// SPDX-License-Identifier: BSD-2-Clause
#include "model/stack_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/name.h"
#include "model/thread_stack.h"

struct naming {
	struct space *space;
	struct name *name;
	const struct record *only; /* NULL: any */
	uint64_t when;
	uint64_t named; /* bytes */
};

static int name_one(const struct ledger_range *range, void *ctx)
{
	struct naming *n = ctx;
	const struct name *now = name__now(range->name);
	struct ledger_range named = *range;

	if ((n->only && range->record != n->only) || range->touched_ns > n->when ||
	    range->named_ns > n->when || (now && now->by == NAMED_BY_PRCTL))
		return 0;
	named.name = n->name;
	named.named_ns = n->when;
	n->named += range->end - range->start;
	return ledger__put(&n->space->ledger, n->space->tools->pool, &named);
}

/* Names what is within [lo, hi), and of that only what has the record, if one is given. */
static int name_stack(struct naming *n, uint32_t tid, const char *comm, uint64_t lo, uint64_t hi)
{
	char text[MP_COMM_LEN + 16];
	int err;

	if (!space__may_change(n->space, lo, hi))
		return 0;
	snprintf(text, sizeof(text), "%s/%u", comm, tid);
	n->name = name__new(NAMED_BY_CLONE, text, NULL);
	err = n->name ? ledger__rewrite(&n->space->ledger, lo, hi, name_one, n) : -ENOMEM;
	name__unref(n->name);
	n->space->generation++;
	return err;
}

/* Threads whose stack has gone, or is another thread's by now, need not be followed. */
struct owner_check {
	uint32_t tid;
	bool still;
};

static int check_owner(const struct ledger_range *range, void *ctx)
{
	struct owner_check *check = ctx;
	const struct name *name = name__now(range->name);
	char tail[16];
	size_t len, tail_len = snprintf(tail, sizeof(tail), "/%u", check->tid);

	if (!name || name->by != NAMED_BY_CLONE)
		return 0;
	len = strlen(name->text);
	check->still = len >= tail_len && !strcmp(name->text + len - tail_len, tail);
	return check->still;
}

static bool still_owns(const struct space *space, const struct thread_stack *stack)
{
	struct owner_check check = {stack->tid, false};

	ledger__each(&space->ledger, stack->lo, stack->hi, check_owner, &check);
	return check.still;
}

static void prune(struct space *space)
{
	struct thread_stack *stack, *next;

	HASH_ITER (hh, space->thread_stacks, stack, next) {
		if (!still_owns(space, stack)) {
			HASH_DEL(space->thread_stacks, stack);
			free(stack);
		}
	}
}

static int follow(struct space *space, uint32_t tid, uint64_t lo, uint64_t hi)
{
	struct thread_stack *stack;

	HASH_FIND(hh, space->thread_stacks, &tid, sizeof(tid), stack);
	if (!stack) {
		if (HASH_COUNT(space->thread_stacks) >= THREAD_STACKS_MAX)
			prune(space);
		if (HASH_COUNT(space->thread_stacks) >= THREAD_STACKS_MAX)
			return -ENOSPC;
		stack = calloc(1, sizeof(*stack));
		if (!stack)
			return -ENOMEM;
		stack->tid = tid;
		HASH_ADD(hh, space->thread_stacks, tid, sizeof(stack->tid), stack);
		if (!HASH_HAS(stack)) {
			free(stack);
			return -ENOMEM;
		}
	}
	stack->lo = lo;
	stack->hi = hi;
	return 0;
}

static int first_range(const struct ledger_range *range, void *ctx)
{
	*(struct ledger_range *)ctx = *range;
	return 1;
}

int stack_names__begin(struct space *space, const struct mp_event_thread *e)
{
	struct naming naming = {.space = space, .when = e->head.time_ns};
	uint64_t mask = space->tools->page_size - 1, lo = e->stack_lo & ~mask, hi = e->stack_hi;
	struct ledger_range at = {0};
	const struct record *made;
	int err;

	if (__builtin_add_overflow(hi, mask, &hi))
		return -EINVAL;
	hi &= ~mask;
	ledger__each(&space->ledger, hi - 1, hi, first_range, &at);
	made = at.record;
	/* pthread_create maps guard, stack and thread descriptor in one go, and the stack is most
	 * of it; a stack that a program cut out of something larger is that part only. */
	if (made && made->lo < hi && hi <= made->hi &&
	    (lo ? (made->hi - made->lo) / 2 <= hi - lo : made->for_stack)) {
		naming.only = made;
		lo = made->lo;
		hi = made->hi;
	}
	if (!lo)
		return 0;
	err = name_stack(&naming, e->thread_tid, e->comm, lo, hi);
	return err || !naming.named ? err : follow(space, e->thread_tid, lo, hi);
}

int stack_names__rename(struct space *space, uint32_t tid, const char *comm, uint64_t when)
{
	struct naming naming = {.space = space, .when = when};
	struct ledger_range at = {0};
	struct thread_stack *stack;

	HASH_FIND(hh, space->thread_stacks, &tid, sizeof(tid), stack);
	if (!stack || !still_owns(space, stack))
		return 0;
	ledger__each(&space->ledger, stack->hi - 1, stack->hi, first_range, &at);
	naming.only = at.record;
	return name_stack(&naming, tid, comm, stack->lo, stack->hi);
}

int stack_names__found(struct space *space, uint32_t tid, const char *comm, uint64_t lo,
		       uint64_t hi, uint64_t when)
{
	struct naming naming = {.space = space, .when = when};
	int err = name_stack(&naming, tid, comm, lo, hi);

	return err || !naming.named ? err : follow(space, tid, lo, hi);
}
