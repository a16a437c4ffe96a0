// SPDX-License-Identifier: BSD-2-Clause
#include "model/promise.h"

#include <errno.h>
#include <stdlib.h>

#include "util/refs.h"

enum kept {
	KEPT_NOT, /* waited for */
	KEPT_NAME,
	KEPT_BEFORE,
};

struct promise {
	unsigned refs;
	enum kept kept; /* atomic; written last, and once */
	struct name *name;
	struct trace *trace;
};

/* A range that is named again and again, each time by a text that is waited for: behind so many,
 * what was there before them all is given up. */
#define MAX_BEFORE 8

struct promise *promise__new(struct trace *trace)
{
	struct promise *promise = calloc(1, sizeof(*promise));

	if (!promise)
		return NULL;
	promise->refs = 1;
	promise->trace = trace__ref(trace);
	return promise;
}

struct promise *promise__ref(struct promise *promise)
{
	refs__get(&promise->refs);
	return promise;
}

void promise__unref(struct promise *promise)
{
	if (!promise || !refs__put(&promise->refs))
		return;
	name__unref(promise->name);
	trace__unref(promise->trace);
	free(promise);
}

struct trace *promise__trace(const struct promise *promise)
{
	return promise->trace;
}

static void keep(struct promise *promise, enum kept how)
{
	__atomic_store_n(&promise->kept, how, __ATOMIC_RELEASE);
}

void promise__keep(struct promise *promise, struct name *name)
{
	promise->name = name__ref(name);
	keep(promise, KEPT_NAME);
}

void promise__keep_before(struct promise *promise)
{
	keep(promise, KEPT_BEFORE);
}

static enum kept how_kept(const struct name *late)
{
	return __atomic_load_n(&late->promise->kept, __ATOMIC_ACQUIRE);
}

const struct name *name__now(const struct name *name)
{
	while (name && name->promise)
		name = how_kept(name) == KEPT_NAME ? name->promise->name : name->before;
	return name;
}

struct name *name__settled(struct name *name)
{
	while (name && name->promise) {
		enum kept how = how_kept(name);

		if (how == KEPT_NOT)
			break;
		name = how == KEPT_NAME ? name->promise->name : name->before;
	}
	return name;
}

static bool is_waited_for(const struct name *name)
{
	while (name && name->promise) {
		switch (how_kept(name)) {
		case KEPT_NOT:
			return true;
		case KEPT_NAME:
			return false;
		case KEPT_BEFORE:
			name = name->before;
		}
	}
	return false;
}

static struct name *late_name(struct promise *promise, struct name *before)
{
	struct name *name = name__new(NAMED_BY_PRCTL, "", NULL);

	if (!name)
		return NULL;
	before = name__settled(before);
	name->promise = promise__ref(promise);
	if (before && before->n_before < MAX_BEFORE) {
		name->before = name__ref(before);
		name->n_before = before->promise ? before->n_before + 1 : 0;
	}
	return name;
}

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
		g->last = late_name(g->promise, range->name);
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
	return is_waited_for(range->name);
}

bool ledger__awaits_names(const struct ledger *ledger)
{
	return ledger__each(ledger, 0, UINT64_MAX, check_range, NULL);
}
