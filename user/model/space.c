// SPDX-License-Identifier: BSD-2-Clause
#include "model/space.h"

#include <stdlib.h>

#include "model/thread_stack.h"
#include "model/transit.h"
#include "model/uses.h"

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
		space->known_stacks = known_stacks__new(&tools->known_stacks, space->account);
	space->ledger.account = space->account;
	space->touches.account = space->account;
	space->pending = calloc(1, sizeof(*space->pending));
	if (space->pending)
		space->pending->refs = 1;
	if (!space->account || !space->known_stacks || !space->pending) {
		space__unref(space);
		return NULL;
	}
	return space;
}

struct space *space__fork(const struct space *parent)
{
	struct space *space = space_new(parent->tools);

	if (!space)
		return NULL;
	space->account = account__ref(parent->account);
	space->ledger = ledger__copy(&parent->ledger);
	space->touches = touches__copy(&parent->touches);
	space->stale = parent->stale;
	space->known_stacks = parent->known_stacks ? known_stacks__ref(parent->known_stacks) : NULL;
	space->code_id = parent->code_id;
	space->code_added_ns = parent->code_added_ns;
	space->code_gone_ns = parent->code_gone_ns;
	space->pending = parent->pending;
	space->pending->refs++;
	space->gone_code = gone_code__copy(parent->gone_code);
	space->heap_end = parent->heap_end;
	space->heap_end_ns = parent->heap_end_ns;
	space->heap_end_learned = parent->heap_end_learned;
	space->exec_space = parent->exec_space;
	space->suspect = parent->suspect;
	space->overflowed = parent->overflowed;
	space->given_up = parent->given_up;
	space->late_names = parent->late_names;
	if (parent->gone_code && !space->gone_code) {
		space__unref(space);
		return NULL;
	}
	return space;
}

struct space *space__ref(struct space *space)
{
	space->users++;
	return space;
}

static void drop_past(struct space *space)
{
	transits__free(&space->transits);
	ledger__free(&space->ledger);
	touches__free(&space->touches);
	thread_stacks__free(&space->thread_stacks);
	known_stacks__unref(space->known_stacks);
	space->known_stacks = NULL;
	gone_code__free(&space->gone_code);
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

void suspect__widen(struct suspect *suspect, uint64_t lo, uint64_t hi, uint64_t until)
{
	*suspect = (struct suspect){
		.lo = suspect->hi && suspect->lo < lo ? suspect->lo : lo,
		.hi = suspect->hi > hi ? suspect->hi : hi,
		.until = suspect->until > until ? suspect->until : until,
	};
}

void space__forget_makers(struct space *space, uint64_t lo, uint64_t hi)
{
	suspect__widen(&space->stale, lo, hi, space->forked_ns + 1);
}

void space__forget(struct space *space)
{
	drop_past(space);
	space__forget_makers(space, 0, UINT64_MAX);
	space->known_stacks = known_stacks__new(&space->tools->known_stacks, space->account);
	space->given_up++;
	space->generation++;
}

bool space__may_change(struct space *space, uint64_t lo, uint64_t hi)
{
	if (account__spend(space->account, ledger__count_within(&space->ledger, lo, hi)))
		return true;
	budget__count(space->tools->budget, GIVE_UP_WORK, 1);
	ledger__erase(&space->ledger, space->tools->pool, lo, hi);
	space__forget_makers(space, lo, hi);
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
