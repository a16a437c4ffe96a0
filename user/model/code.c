// SPDX-License-Identifier: BSD-2-Clause
#include "model/code.h"

#include <sys/mman.h>

struct span {
	uint64_t addr;
	uint64_t len;
};

/* What the event takes away, in at most two places. Without MAP_FIXED the kernel looks for a place
 * where nothing is. */
static size_t spans_of(const union mp_event *event, struct span ret[2])
{
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		ret[0] = (struct span){event->mmap.addr, event->mmap.len};
		return event->mmap.flags & MAP_FIXED ? 1 : 0;
	case MP_EVENT_MUNMAP:
	case MP_EVENT_MREMAP_ENTER:
		ret[0] = (struct span){event->range.addr, event->range.len};
		return 1;
	case MP_EVENT_MREMAP:
		ret[0] = (struct span){event->mremap.old_addr, event->mremap.old_len};
		ret[1] = (struct span){event->mremap.new_addr, event->mremap.new_len};
		return event->mremap.new_addr ? 2 : 0;
	default:
		return 0;
	}
}

static void begin_anew(struct space *space)
{
	known_stacks__unref(space->known_stacks);
	space->known_stacks = known_stacks__new(&space->tools->known_stacks, space->account);
}

struct going {
	struct space *space;
	uint64_t when;
	int err;
};

/* Of what was there before us, all may be code. */
static int note_gone(const struct ledger_range *range, void *ctx)
{
	struct going *going = ctx;
	bool predates = range->record->origin == ORIGIN_PREDATES;

	if (!range->record->is_code && !predates)
		return 0;
	going->err = gone_code__add(&going->space->gone_code, going->space->account, range->start,
				    range->end, predates ? 0 : range->touched_ns, going->when);
	return going->err;
}

static int keep_what_goes(struct space *space, const struct span *span, uint64_t when)
{
	struct going going = {.space = space, .when = when};
	uint64_t lo, hi;

	if (space__whole_pages(space, span->addr, span->len, space->tools->page_size, &lo, &hi))
		ledger__each(&space->ledger, lo, hi, note_gone, &going);
	return going.err;
}

/* Of code that mprotect(2) made no event tells. True when known stacks run through what goes. */
static bool follow_removal(struct space *space, const union mp_event *event)
{
	const struct known_stacks *known = space->known_stacks;
	bool waits = space->pending->asked > space->pending->answered, runs = false;
	struct span spans[2];
	size_t n = spans_of(event, spans);
	int err = 0;

	if (!waits)
		gone_code__free(&space->gone_code);
	for (size_t i = 0; i < n; i++) {
		if (known)
			runs |= known_stacks__runs_through(known, spans[i].addr, spans[i].len);
		if (waits)
			err = err ?: keep_what_goes(space, &spans[i], event->head.time_ns);
	}
	if (err)
		space__forget(space);
	return runs;
}

void code__follow(struct space *space, const union mp_event *event)
{
	bool removed = follow_removal(space, event);
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

bool code__changed(const struct space *space, const struct unwound *unwound, uint64_t from_ns,
		   uint64_t until_ns)
{
	for (size_t i = 0; i < unwound->n; i++) {
		if (gone_code__changed(space->gone_code, unwound->frames[i].ip - 1, from_ns,
				       until_ns))
			return true;
	}
	return false;
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
