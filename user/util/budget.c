// SPDX-License-Identifier: BSD-2-Clause
#include "util/budget.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/hash.h"
#include "util/refs.h"
#include "util/waiter.h"

#define TABLES_SHARE 5 / 8
#define KEPT	     8 /* of the limit: what the tables keep, whatever is resident */
#define SPARED	     8 /* the part of the reports' room that large sources cannot have */

/* What reports of a source take; there is one while they take something. */
struct reports_of {
	UT_hash_handle hh; /* by source */
	uint64_t source;
	size_t bytes;
};

static const char *const use_names[BUDGET_USES] = {
	[BUDGET_LEDGERS] = "ledgers",	  [BUDGET_KNOWN_STACKS] = "known_stacks",
	[BUDGET_TOUCHES] = "touches",	  [BUDGET_WAITING_STACKS] = "waiting_stacks",
	[BUDGET_CALLSITES] = "callsites", [BUDGET_HISTORY] = "history",
	[BUDGET_REPORTS] = "reports",
};

static const char *const giving_up_names[GIVE_UP_KINDS] = {
	[GIVE_UP_WAITING_STACKS] = "waiting_stacks",
	[GIVE_UP_KNOWN_STACKS] = "known_stacks",
	[GIVE_UP_TOUCHES] = "touches",
	[GIVE_UP_SPACES] = "address_spaces",
	[GIVE_UP_WORK] = "work",
	[GIVE_UP_REPORTS] = "reports",
};

struct budget {
	unsigned refs;
	uint64_t limit;
	uint64_t resident; /* these are atomic */
	uint64_t uncounted;
	uint64_t used[BUDGET_USES];
	uint64_t given_up[GIVE_UP_KINDS];
	pthread_mutex_t lock;	    /* held while reserving */
	pthread_cond_t left;	    /* a report has let go */
	struct reports_of *sources; /* under the lock */
};

const char *budget_use__name(enum budget_use use)
{
	return use_names[use];
}

const char *giving_up__name(enum giving_up what)
{
	return giving_up_names[what];
}

struct budget *budget__new(uint64_t limit)
{
	struct budget *budget = calloc(1, sizeof(*budget));

	if (!budget)
		return NULL;
	budget->refs = 1;
	budget->limit = limit;
	pthread_mutex_init(&budget->lock, NULL);
	pthread_cond_init(&budget->left, NULL);
	return budget;
}

struct budget *budget__ref(struct budget *budget)
{
	if (budget)
		refs__get(&budget->refs);
	return budget;
}

void budget__unref(struct budget *budget)
{
	if (!budget || !refs__put(&budget->refs))
		return;
	pthread_cond_destroy(&budget->left);
	pthread_mutex_destroy(&budget->lock);
	free(budget);
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void budget__take(struct budget *budget, enum budget_use use, size_t bytes)
{
	if (budget)
		__atomic_fetch_add(&budget->used[use], bytes, __ATOMIC_RELAXED);
}

void budget__put(struct budget *budget, enum budget_use use, size_t bytes)
{
	if (budget)
		__atomic_fetch_sub(&budget->used[use], bytes, __ATOMIC_RELAXED);
}

void budget__count(struct budget *budget, enum giving_up what, uint64_t n)
{
	if (budget)
		__atomic_fetch_add(&budget->given_up[what], n, __ATOMIC_RELAXED);
}

static uint64_t tables(const struct budget *budget)
{
	uint64_t sum = 0;

	for (int use = 0; use < BUDGET_REPORTS; use++)
		sum += load(&budget->used[use]);
	return sum;
}

uint64_t budget__tables_max(const struct budget *budget)
{
	return budget->limit * TABLES_SHARE;
}

uint64_t budget__share(const struct budget *budget, unsigned part, uint64_t most)
{
	uint64_t share = budget ? budget__tables_max(budget) / part : most;

	return share < most ? share : most;
}

uint64_t budget__tables_over(const struct budget *budget)
{
	uint64_t used = budget ? tables(budget) : 0;

	return budget && used > budget__tables_max(budget) ? used - budget__tables_max(budget) : 0;
}

uint64_t budget__set_resident(struct budget *budget, uint64_t bytes, uint64_t *ret_uncounted)
{
	uint64_t used = tables(budget), counted = used + load(&budget->used[BUDGET_REPORTS]);
	uint64_t over, spare;

	__atomic_store_n(&budget->resident, bytes, __ATOMIC_RELAXED);
	*ret_uncounted = bytes > counted ? bytes - counted : 0;
	__atomic_store_n(&budget->uncounted, *ret_uncounted, __ATOMIC_RELAXED);
	over = bytes > budget->limit ? bytes - budget->limit : 0;
	spare = used > budget->limit / KEPT ? used - budget->limit / KEPT : 0;
	return over < spare ? over : spare;
}

/* The lock is held, here and in what follows. */
static struct reports_of *reports_of(const struct budget *budget, uint64_t source)
{
	struct reports_of *of;

	HASH_FIND(hh, budget->sources, &source, sizeof(source), of);
	return of;
}

static bool has_room(const struct budget *budget, uint64_t source, size_t bytes)
{
	uint64_t others = tables(budget) + load(&budget->uncounted);
	uint64_t room = others < budget->limit ? budget->limit - others : 0;
	uint64_t used = load(&budget->used[BUDGET_REPORTS]);
	const struct reports_of *of = reports_of(budget, source);

	used += bytes;
	if (used <= room - room / SPARED)
		return true;
	return used <= room && (of ? of->bytes : 0) + bytes <= room - used;
}

static bool charge(struct budget *budget, uint64_t source, size_t bytes)
{
	struct reports_of *of = reports_of(budget, source);

	if (!of) {
		of = calloc(1, sizeof(*of));
		if (!of)
			return false;
		of->source = source;
		HASH_ADD(hh, budget->sources, source, sizeof(of->source), of);
		if (!HASH_HAS(of)) {
			free(of);
			return false;
		}
	}
	of->bytes += bytes;
	budget__take(budget, BUDGET_REPORTS, bytes);
	return true;
}

static void discharge(struct budget *budget, uint64_t source, size_t bytes)
{
	struct reports_of *of = reports_of(budget, source);

	budget__put(budget, BUDGET_REPORTS, bytes);
	of->bytes -= bytes;
	if (of->bytes)
		return;
	HASH_DEL(budget->sources, of);
	free(of);
}

int reservation__grow(struct reservation *reservation, size_t bytes, unsigned wait_ms)
{
	struct budget *budget = reservation->budget;
	uint64_t until_ns = clock__monotonic_ns() + wait_ms * 1000000ULL;
	bool fits, in_time = true;

	if (!budget || !bytes)
		return 0;
	pthread_mutex_lock(&budget->lock);
	while (!(fits = has_room(budget, reservation->source, bytes)) && in_time)
		in_time = waiter__wait(&budget->left, &budget->lock, until_ns);
	fits = fits && charge(budget, reservation->source, bytes);
	pthread_mutex_unlock(&budget->lock);
	if (!fits) {
		budget__count(budget, GIVE_UP_REPORTS, 1);
		return -ENOBUFS;
	}
	reservation->bytes += bytes;
	return 0;
}

void reservation__shrink(struct reservation *reservation, size_t to)
{
	struct budget *budget = reservation->budget;

	if (!budget || reservation->bytes <= to)
		return;
	pthread_mutex_lock(&budget->lock);
	discharge(budget, reservation->source, reservation->bytes - to);
	pthread_cond_broadcast(&budget->left);
	pthread_mutex_unlock(&budget->lock);
	reservation->bytes = to;
}

void reservation__free(struct reservation *reservation)
{
	reservation__shrink(reservation, 0);
	*reservation = (struct reservation){0};
}

void budget__stats(const struct budget *budget, struct budget_stats *ret)
{
	ret->limit = budget->limit;
	ret->resident = load(&budget->resident);
	for (int use = 0; use < BUDGET_USES; use++)
		ret->used[use] = load(&budget->used[use]);
	for (int what = 0; what < GIVE_UP_KINDS; what++)
		ret->given_up[what] = load(&budget->given_up[what]);
}
