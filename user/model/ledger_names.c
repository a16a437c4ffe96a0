// SPDX-License-Identifier: BSD-2-Clause
#include "model/ledger_names.h"

#include <errno.h>

struct walk {
	struct ledger *ledger;
	struct ledger_pool *pool;
	const struct ledger_naming *naming;
	uint64_t reached;
	struct name *last; /* the last late name, and what was called that */
	struct name *last_before;
};

static int name_range(struct walk *w, const struct ledger_range *range)
{
	const struct ledger_naming *naming = w->naming;
	struct ledger_range named = *range;

	/* One for all neighbours that were called the same, so that they stay together. */
	if (naming->late && (!w->last || w->last_before != range->name)) {
		name__unref(w->last);
		w->last = name__new_late(naming->late, range->name);
		w->last_before = range->name;
		if (!w->last)
			return -ENOMEM;
	}
	named.name = naming->late ? w->last : naming->name;
	named.named_ns = naming->now;
	return ledger__put(w->ledger, w->pool, &named);
}

static int name_gap(struct walk *w, uint64_t hi)
{
	struct ledger_range gap = {.start = w->reached,
				   .end = hi,
				   .record = w->naming->unknown,
				   .touched_ns = w->naming->now};

	return gap.record && gap.start < hi ? name_range(w, &gap) : 0;
}

static int name_one(const struct ledger_range *range, void *ctx)
{
	struct walk *w = ctx;
	int err = name_gap(w, range->start);

	if (!err && range->touched_ns <= w->naming->now && range->named_ns <= w->naming->now)
		err = name_range(w, range);
	w->reached = range->end;
	return err;
}

int ledger__name(struct ledger *ledger, struct ledger_pool *pool,
		 const struct ledger_naming *naming)
{
	struct walk w = {.ledger = ledger, .pool = pool, .naming = naming, .reached = naming->lo};
	int err = ledger__rewrite(ledger, naming->lo, naming->hi, name_one, &w)
			  ?: name_gap(&w, naming->hi);

	name__unref(w.last);
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

	return err == -ENOSPC ? 0 : err; /* they stay apart */
}

static int check_range(const struct ledger_range *range, void *ctx)
{
	return name__is_late(range->name);
}

bool ledger__has_late_names(const struct ledger *ledger)
{
	return ledger__each(ledger, 0, UINT64_MAX, check_range, NULL);
}
