// SPDX-License-Identifier: BSD-2-Clause
#include "model/learn.h"

struct gaps {
	struct space *space;
	struct record *record;
	uint64_t reached;
	uint64_t now;
	int err; /* the first; what can be taken in is */
};

static void fill_gap(struct gaps *g, uint64_t lo, uint64_t hi)
{
	struct ledger_range range = {
		.start = lo, .end = hi, .record = g->record, .touched_ns = g->now};
	int err = lo < hi ? ledger__put(&g->space->ledger, g->space->tools->pool, &range) : 0;

	if (err && !g->err)
		g->err = err;
}

static int fill_before(const struct ledger_range *range, void *ctx)
{
	struct gaps *g = ctx;

	fill_gap(g, g->reached, range->start);
	g->reached = range->end;
	return 0;
}

int learn__take_in(struct space *space, const struct vma_set *maps, struct record *record,
		   uint64_t began_ns)
{
	struct gaps g = {.space = space, .record = record, .now = began_ns};

	for (size_t i = 0; i < maps->n; i++) {
		const struct vma *vma = &maps->vmas[i];

		g.reached = vma->start;
		ledger__rewrite(&space->ledger, vma->start, vma->end, fill_before, &g);
		fill_gap(&g, g.reached, vma->end);
	}
	return g.err;
}

struct unmapped {
	size_t n;
	size_t n_seen; /* of them, those that had been seen to be mapped */
	uint64_t until;
};

static int count_unmapped(const struct ledger_range *range, void *ctx)
{
	struct unmapped *s = ctx;

	if (range->touched_ns <= s->until) {
		s->n++;
		s->n_seen += range->record->origin != ORIGIN_UNKNOWN;
	}
	return 0;
}

bool learn__drop_unmapped(struct space *space, const struct vma_set *maps, uint64_t began_ns)
{
	struct unmapped unmapped = {.until = began_ns};
	uint64_t lo = 0;

	for (size_t i = 0; i <= maps->n; i++) {
		uint64_t hi = i < maps->n ? maps->vmas[i].start : UINT64_MAX;
		size_t before = unmapped.n;

		touches__erase(&space->touches, lo, hi, began_ns);
		if (lo < hi)
			ledger__each(&space->ledger, lo, hi, count_unmapped, &unmapped);
		if (unmapped.n > before)
			ledger__erase_older(&space->ledger, space->tools->pool, lo, hi, began_ns);
		lo = i < maps->n ? maps->vmas[i].end : hi;
	}
	return unmapped.n_seen;
}

/* The break itself is in no file of /proc. It is where [heap] ends, unless something else was
 * mapped over the heap's end. */
uint64_t learn__heap_end(const struct vma_set *maps)
{
	for (size_t i = maps->n; i > 0; i--) {
		const struct vma *vma = &maps->vmas[i - 1];

		if (vma->kind != VMA_HEAP)
			continue;
		return i < maps->n && vma[1].start == vma->end ? HEAP_END_UNKNOWN : vma->end;
	}
	return HEAP_END_AT_START;
}
