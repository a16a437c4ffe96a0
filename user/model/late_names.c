// SPDX-License-Identifier: BSD-2-Clause
#include "model/late_names.h"

#include <errno.h>

struct giving {
	struct ledger *ledger;
	struct ledger_pool *pool;
	struct promise *promise;
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
		g->last = name__new_late(g->promise, range->name);
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
		      struct promise *promise, struct record *unknown, uint64_t now)
{
	struct giving g = {.ledger = ledger,
			   .pool = pool,
			   .promise = promise,
			   .unknown = unknown,
			   .now = now,
			   .reached = lo};
	int err = ledger__rewrite(ledger, lo, hi, give_one, &g);

	if (!err)
		err = give_gap(&g, g.reached, hi);
	name__unref(g.last);
	return err;
}

struct settling {
	struct ledger *ledger;
	struct ledger_pool *pool;
};

static int settle_one(const struct ledger_range *range, void *ctx)
{
	struct settling *s = ctx;
	struct ledger_range settled = *range;

	settled.name = name__settled(range->name);
	if (settled.name == range->name)
		return 0;
	if (!settled.name && range->record->origin == ORIGIN_UNKNOWN)
		return ledger__erase(s->ledger, s->pool, range->start, range->end);
	return ledger__put(s->ledger, s->pool, &settled);
}

int ledger__settle_names(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi)
{
	struct settling s = {ledger, pool};
	int err = ledger__rewrite(ledger, lo, hi, settle_one, &s);

	return err == -ENOSPC ? 0 : err; /* it was late to join them, and stays so */
}

static int check_range(const struct ledger_range *range, void *ctx)
{
	return name__is_awaited(range->name);
}

bool ledger__awaits_names(const struct ledger *ledger)
{
	return ledger__each(ledger, 0, UINT64_MAX, check_range, NULL);
}
