// SPDX-License-Identifier: BSD-2-Clause
#include "model/code.h"

#include <sys/mman.h>

/* Without MAP_FIXED the kernel looks for a place where nothing is. */
static bool removes_code(const struct known_stacks *known, const union mp_event *event)
{
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		return event->mmap.flags & MAP_FIXED &&
		       known_stacks__runs_through(known, event->mmap.addr, event->mmap.len);
	case MP_EVENT_MUNMAP:
		return known_stacks__runs_through(known, event->range.addr, event->range.len);
	case MP_EVENT_MREMAP:
		return event->mremap.new_addr &&
		       (known_stacks__runs_through(known, event->mremap.old_addr,
						   event->mremap.old_len) ||
			known_stacks__runs_through(known, event->mremap.new_addr,
						   event->mremap.new_len));
	default:
		return false;
	}
}

static void begin_anew(struct space *space)
{
	known_stacks__unref(space->known_stacks);
	space->known_stacks = known_stacks__new(&space->tools->known_stacks, space->account);
}

void code__follow(struct space *space, const union mp_event *event)
{
	bool removed = space->known_stacks && removes_code(space->known_stacks, event);
	bool added = event->head.type == MP_EVENT_MMAP && event->mmap.prot & PROT_EXEC;

	if (!removed && !added)
		return;
	space->code_id = ++space->tools->last_code_id;
	if (added)
		space->code_added_ns = event->head.time_ns;
	if (removed)
		space->code_gone_ns = event->head.time_ns;
	/* Two spaces that share known stacks could each map other code at the same place. */
	if (removed || (space->known_stacks && known_stacks__is_shared(space->known_stacks)))
		begin_anew(space);
}

void code__suspect(struct space *space, uint64_t lo, uint64_t hi, uint64_t until)
{
	if (!space->known_stacks || !known_stacks__runs_through(space->known_stacks, lo, hi - lo))
		return;
	space->code_id = ++space->tools->last_code_id;
	space->code_gone_ns = until;
	begin_anew(space);
}

static int find_newest(const struct ledger_range *range, void *ctx)
{
	uint64_t *newest = ctx;

	/* What was there before us was there before the stack, whenever we learned of it. */
	if (range->record->origin != ORIGIN_PREDATES && range->touched_ns > *newest)
		*newest = range->touched_ns;
	return 0;
}

uint64_t code__newest_ns(const struct space *space, const struct unwound *unwound)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < unwound->n; i++) {
		uint64_t ip = unwound->frames[i].ip;

		/* A call may be the last thing in its mapping. */
		ledger__each(&space->ledger, ip - 1, ip, find_newest, &newest);
	}
	return newest;
}
