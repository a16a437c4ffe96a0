// SPDX-License-Identifier: BSD-2-Clause
#include "model/ledger_names.h"

#include <errno.h>

struct giving {
	struct ledger *ledger;
	struct ledger_pool *pool;
	struct late_text *late;
	struct record *unknown;
	uint64_t now;
	uint64_t reached;
	struct name *last; /* the last that was given, and to what */
	struct name *last_before;
};

static int give(struct giving *g, const struct ledger_range *range)
{
	struct ledger_range named = *range;

	/* One for all neighbours that were called the same, so that they stay together. */
	if (!g->last || g->last_before != range->name) {
		name__unref(g->last);
		g->last = name__new_late(g->late, range->name);
		g->last_before = range->name;
		if (!g->last)
			return -ENOMEM;
	}
	named.name = g->last;
	named.named_ns = g->now;
	return ledger__put(g->ledger, g->pool, &named);
}

static int give_gap(struct giving *g, uint64_t lo, uint64_t hi)
{
	struct ledger_range gap = {
		.start = lo, .end = hi, .record = g->unknown, .touched_ns = g->now};

	return g->unknown && lo < hi ? give(g, &gap) : 0;
}

static int give_one(const struct ledger_range *range, void *ctx)
{
	struct giving *g = ctx;
	int err = give_gap(g, g->reached, range->start);

	if (!err && range->touched_ns <= g->now && range->named_ns <= g->now)
		err = give(g, range);
	g->reached = range->end;
	return err;
}

int ledger__name_late(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi,
		      struct late_text *late, struct record *unknown, uint64_t now)
{
	struct giving g = {.ledger = ledger,
			   .pool = pool,
			   .late = late,
			   .unknown = unknown,
			   .now = now,
			   .reached = lo};
	int err = ledger__rewrite(ledger, lo, hi, give_one, &g);

	if (!err)
		err = give_gap(&g, g.reached, hi);
	name__unref(g.last);
	return err;
}

struct joining {
	struct ledger *ledger;
	struct ledger_pool *pool;
};

static int join_one(const struct ledger_range *range, void *ctx)
{
	struct joining *s = ctx;
	struct ledger_range joined = *range;

	joined.name = name__resolved(range->name);
	if (joined.name == range->name)
		return 0;
	if (!joined.name && range->record->origin == ORIGIN_UNKNOWN)
		return ledger__erase(s->ledger, s->pool, range->start, range->end);
	return ledger__put(s->ledger, s->pool, &joined);
}

int ledger__join_late_names(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo,
			    uint64_t hi)
{
	struct joining s = {ledger, pool};
	int err = ledger__rewrite(ledger, lo, hi, join_one, &s);

	return err == -ENOSPC ? 0 : err; /* it was late to join them, and stays so */
}

static int check_range(const struct ledger_range *range, void *ctx)
{
	return name__is_late(range->name);
}

bool ledger__has_late_names(const struct ledger *ledger)
{
	return ledger__each(ledger, 0, UINT64_MAX, check_range, NULL);
}
