// SPDX-License-Identifier: BSD-2-Clause
#include "model/callsite.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/frame_table.h"
#include "util/dict.h"
#include "util/hash.h"
#include "util/refs.h"

#define MAX_SHARE 4 /* of the tables' share of the budget */
#define SHORT_OF  8 /* of the table: so little is free */

/* What an account has of it, or all accounts of a tenant. */
struct sites_of {
	UT_hash_handle hh; /* by id */
	uint64_t id;
	uint64_t tenant; /* of an account: of its first call site */
	size_t bytes;
};

struct callsite_table {
	callsite_classify_fn *classify;
	struct budget *budget;
	size_t max_bytes;
	pthread_mutex_t lock; /* guards what follows */
	struct frame_table *frames;
	struct dict sites; /* of struct callsite * */
	struct callsite *other;
	struct sites_of *accounts;
	struct sites_of *tenants;
	struct callsite_stats stats;
	size_t counted; /* in the budget */
};

static void release(const struct frame *const *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		frame_table__release(frames[i]);
}

struct callsite *callsite__ref(struct callsite *site)
{
	if (site)
		refs__get(&site->refs);
	return site;
}

void callsite__unref(struct callsite *site)
{
	if (!site || !refs__put(&site->refs))
		return;
	release(site->frames, site->n);
	free(site);
}

bool callsite__is_other(const struct callsite *site)
{
	return site->source == STACK_SOURCE_NONE && !site->n;
}

static uint64_t hash_of(const struct unwound *stack, const struct frame *const *frames)
{
	uint64_t hash = stack->truncated;

	for (size_t i = 0; i < stack->n; i++) {
		hash = (hash ^ frame_table__hash(frames[i])) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash;
}

static uint64_t hash_in_dict(const void *entry, uint64_t secret)
{
	const struct callsite *site = *(struct callsite *const *)entry;
	uint64_t hash = dict__mix(secret, site->truncated);

	for (size_t i = 0; i < site->n; i++)
		hash = dict__mix(hash, (uintptr_t)site->frames[i]);
	return hash;
}

static bool same(const void *a, const void *b)
{
	const struct callsite *x = *(struct callsite *const *)a;
	const struct callsite *y = *(struct callsite *const *)b;

	return x->n == y->n && x->source == y->source && x->truncated == y->truncated &&
	       memcmp(x->frames, y->frames, x->n * sizeof(*x->frames)) == 0;
}

static const struct dict_type by_stack = {sizeof(struct callsite *), hash_in_dict, same};

/* Takes the references to the frames, unless it fails. */
static struct callsite *make(const struct unwound *stack, const struct frame *const *frames)
{
	size_t bytes = sizeof(struct callsite) + stack->n * sizeof(*frames);
	struct callsite *site = malloc(bytes);

	if (!site)
		return NULL;
	*site = (struct callsite){
		.refs = 1,
		.hash = hash_of(stack, frames),
		.bytes = bytes,
		.source = stack->source,
		.truncated = stack->truncated,
		.owner = -1,
		.n = stack->n,
	};
	for (size_t i = 0; i < stack->n; i++)
		site->frames[i] = frames[i];
	return site;
}

static struct sites_of *sites_of(struct sites_of *all, uint64_t id)
{
	struct sites_of *of;

	HASH_FIND(hh, all, &id, sizeof(id), of);
	return of;
}

/* A new one, if need be; NULL when out of memory. */
static struct sites_of *find(struct sites_of **all, uint64_t id, uint64_t tenant)
{
	struct sites_of *of = sites_of(*all, id);

	if (of)
		return of;
	of = calloc(1, sizeof(*of));
	if (!of)
		return NULL;
	of->id = id;
	of->tenant = tenant;
	HASH_ADD(hh, *all, id, sizeof(of->id), of);
	if (HASH_HAS(of))
		return of;
	free(of);
	return NULL;
}

static void drop_empty(struct sites_of **all, struct sites_of *of)
{
	if (of->bytes)
		return;
	HASH_DEL(*all, of);
	free(of);
}

static bool charge(struct callsite_table *table, const struct callsite *site, uint64_t tenant)
{
	struct sites_of *account = find(&table->accounts, site->account, tenant), *of;

	if (!account)
		return false;
	of = find(&table->tenants, account->tenant, account->tenant);
	if (!of) {
		drop_empty(&table->accounts, account);
		return false;
	}
	account->bytes += site->bytes;
	of->bytes += site->bytes;
	table->stats.sites++;
	table->stats.bytes += site->bytes;
	return true;
}

static void discharge(struct callsite_table *table, const struct callsite *site)
{
	struct sites_of *account = sites_of(table->accounts, site->account);
	struct sites_of *tenant = sites_of(table->tenants, account->tenant);

	table->stats.sites--;
	table->stats.bytes -= site->bytes;
	account->bytes -= site->bytes;
	tenant->bytes -= site->bytes;
	drop_empty(&table->accounts, account);
	drop_empty(&table->tenants, tenant);
}

static bool is_used(void *entry, void *ctx)
{
	struct callsite *site = *(struct callsite **)entry;

	if (!refs__sole(&site->refs))
		return true;
	discharge(ctx, site);
	callsite__unref(site);
	return false;
}

/* Lets go what only the table still holds. */
static void drop_unused(struct callsite_table *table)
{
	dict__keep(&table->sites, is_used, table);
	frame_table__drop_unused(table->frames);
}

struct callsite_table *callsite_table__new(callsite_classify_fn *classify, struct budget *budget)
{
	static const struct unwound nothing;
	struct callsite_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->classify = classify;
	table->budget = budget;
	table->sites.type = &by_stack;
	table->max_bytes = budget__share(budget, MAX_SHARE, CALLSITES_MAX_BYTES);
	pthread_mutex_init(&table->lock, NULL);
	table->frames = frame_table__new();
	table->other = make(&nothing, NULL);
	if (!table->frames || !table->other) {
		callsite_table__free(table);
		return NULL;
	}
	return table;
}

void callsite_table__free(struct callsite_table *table)
{
	struct callsite *const *sites;

	if (!table)
		return;
	sites = table->sites.entries;
	for (size_t i = 0; i < table->sites.n; i++) {
		discharge(table, sites[i]);
		callsite__unref(sites[i]);
	}
	dict__free(&table->sites);
	budget__put(table->budget, BUDGET_CALLSITES, table->counted);
	callsite__unref(table->other);
	frame_table__free(table->frames);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

static size_t bytes_of(const struct callsite_table *table)
{
	return table->stats.bytes + frame_table__bytes(table->frames);
}

/* The site, which becomes the table's. */
static struct callsite *add(struct callsite_table *table, uint64_t account, uint64_t tenant,
			    struct callsite *site)
{
	site->account = account;
	table->classify(site);
	if (bytes_of(table) + site->bytes > table->max_bytes)
		drop_unused(table);
	if (bytes_of(table) + site->bytes > table->max_bytes) {
		callsite__unref(site);
		table->stats.turned_away++;
		return callsite__ref(table->other);
	}
	if (!charge(table, site, tenant)) {
		callsite__unref(site);
		return NULL;
	}
	if (!dict__add(&table->sites, &site)) {
		discharge(table, site);
		callsite__unref(site);
		return NULL;
	}
	return callsite__ref(site);
}

static struct callsite *intern(struct callsite_table *table, uint64_t account,
			       const struct unwound *stack)
{
	const struct frame *frames[FRAMES_MAX];
	struct callsite *site, *const *known;

	for (size_t i = 0; i < stack->n; i++) {
		frames[i] = frame_table__intern(table->frames, &stack->frames[i]);
		if (!frames[i]) {
			release(frames, i);
			return NULL;
		}
	}
	site = make(stack, frames);
	if (!site) {
		release(frames, stack->n);
		return NULL;
	}
	known = dict__find(&table->sites, &site);
	if (!known)
		return add(table, account, stack->tenant, site);
	callsite__unref(site);
	return callsite__ref(*known);
}

static void count(struct callsite_table *table)
{
	size_t bytes = bytes_of(table);

	budget__take(table->budget, BUDGET_CALLSITES, bytes);
	budget__put(table->budget, BUDGET_CALLSITES, table->counted);
	table->counted = bytes;
}

struct callsite *callsite_table__intern(struct callsite_table *table, uint64_t account,
					const struct unwound *stack)
{
	struct callsite *site;

	pthread_mutex_lock(&table->lock);
	site = intern(table, account, stack);
	count(table);
	pthread_mutex_unlock(&table->lock);
	return site;
}

static bool is_short(const struct callsite_table *table)
{
	return bytes_of(table) > table->max_bytes - table->max_bytes / SHORT_OF;
}

static const struct sites_of *with_most(const struct sites_of *all, const struct sites_of *tenant)
{
	const struct sites_of *most = NULL;

	for (const struct sites_of *of = all; of; of = of->hh.next) {
		if ((!tenant || of->tenant == tenant->id) && (!most || of->bytes > most->bytes))
			most = of;
	}
	return most;
}

static bool has_far_more(const struct sites_of *most, const struct sites_of *own)
{
	return most->bytes / 2 > (own ? own->bytes : 0);
}

bool callsite_table__is_short(struct callsite_table *table, uint64_t account, uint64_t tenant,
			      uint64_t *ret_account, bool *ret_much)
{
	const struct sites_of *of, *most = NULL;

	pthread_mutex_lock(&table->lock);
	if (is_short(table)) {
		drop_unused(table);
		count(table);
	}
	of = is_short(table) ? with_most(table->tenants, NULL) : NULL;
	if (of) {
		most = with_most(table->accounts, of);
		*ret_account = most->id;
		*ret_much = of->id == tenant
				    ? has_far_more(most, sites_of(table->accounts, account))
				    : has_far_more(of, sites_of(table->tenants, tenant));
	}
	pthread_mutex_unlock(&table->lock);
	return most;
}

void callsite_table__stats(struct callsite_table *table, struct callsite_stats *ret)
{
	pthread_mutex_lock(&table->lock);
	*ret = table->stats;
	ret->bytes = bytes_of(table);
	pthread_mutex_unlock(&table->lock);
}

struct trace *trace__new(void)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (trace)
		trace->refs = 1;
	return trace;
}

struct trace *trace__ref(struct trace *trace)
{
	if (trace)
		refs__get(&trace->refs);
	return trace;
}

void trace__unref(struct trace *trace)
{
	if (!trace || !refs__put(&trace->refs))
		return;
	callsite__unref(trace->site);
	free(trace);
}

bool trace__is_sole(const struct trace *trace)
{
	return refs__sole(&trace->refs);
}

void trace__resolve(struct trace *trace, struct callsite *site)
{
	if (site)
		__atomic_store_n(&trace->site, callsite__ref(site), __ATOMIC_RELEASE);
	__atomic_store_n(&trace->answered, true, __ATOMIC_RELEASE);
}

bool trace__is_answered(const struct trace *trace)
{
	return !trace || __atomic_load_n(&trace->answered, __ATOMIC_ACQUIRE);
}

struct callsite *trace__site(const struct trace *trace)
{
	return trace ? __atomic_load_n(&trace->site, __ATOMIC_ACQUIRE) : NULL;
}
