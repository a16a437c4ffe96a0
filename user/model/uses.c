// SPDX-License-Identifier: BSD-2-Clause
#include "model/uses.h"

#include <stdlib.h>
#include <string.h>

#include "util/dict.h"

struct uses {
	struct dict by_trace; /* of struct use */
	struct account *account;
};

static uint64_t hash_use(const void *entry, uint64_t secret)
{
	const struct use *use = entry;

	return dict__mix(secret, (uintptr_t)use->trace);
}

static bool same_trace(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	return x->trace == y->trace;
}

static const struct dict_type by_trace = {sizeof(struct use), hash_use, same_trace};

/* Of an entry with its place in the table. */
#define USE_BYTES 56

static struct uses *uses_new(struct account *account)
{
	struct uses *uses = calloc(1, sizeof(*uses));

	if (!uses)
		return NULL;
	uses->by_trace.type = &by_trace;
	uses->account = account ? account__ref(account) : NULL;
	return uses;
}

void uses__free(struct uses *uses)
{
	const struct use *list;

	if (!uses)
		return;
	list = uses->by_trace.entries;
	for (size_t i = 0; i < uses->by_trace.n; i++)
		trace__unref(list[i].trace);
	account__put(uses->account, BUDGET_LEDGERS, uses->by_trace.n * USE_BYTES);
	account__unref(uses->account);
	dict__free(&uses->by_trace);
	free(uses);
}

static struct use *find(struct uses *uses, struct trace *trace)
{
	const struct use wanted = {.trace = trace};
	struct use *use = dict__find(&uses->by_trace, &wanted);

	if (use)
		return use;
	if (trace && uses->by_trace.n >= USES_MAX)
		return find(uses, NULL);
	use = dict__add(&uses->by_trace, &wanted);
	if (!use)
		return NULL;
	trace__ref(trace);
	account__take(uses->account, BUDGET_LEDGERS, USE_BYTES);
	return use;
}

void uses__add(struct uses **uses, struct account *account, struct trace *trace, uint64_t bytes,
	       uint64_t now)
{
	struct use *use;

	if (!*uses)
		*uses = uses_new(account);
	use = *uses ? find(*uses, trace) : NULL;
	if (!use)
		return;
	if (!use->mapped)
		use->first_ns = now;
	use->last_ns = now;
	use->mapped += bytes;
}

static void merge(struct use *into, const struct use *use)
{
	if (!into->mapped || use->first_ns < into->first_ns)
		into->first_ns = use->first_ns;
	if (use->last_ns > into->last_ns)
		into->last_ns = use->last_ns;
	into->mapped += use->mapped;
}

void uses__drop_idle(struct uses *uses)
{
	struct dict kept = {.type = &by_trace};
	struct use others = {0};
	struct use *list = uses ? uses->by_trace.entries : NULL;
	size_t n = uses ? uses->by_trace.n : 0;
	bool lacks_memory = false;

	for (size_t i = 0; i < n; i++) {
		if (!list[i].trace || trace__is_sole(list[i].trace))
			merge(&others, &list[i]);
		else
			lacks_memory |= !dict__add(&kept, &list[i]);
	}
	if (!uses || (others.mapped && !dict__add(&kept, &others)) || lacks_memory) {
		dict__free(&kept);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i].trace && trace__is_sole(list[i].trace))
			trace__unref(list[i].trace);
	}
	account__put(uses->account, BUDGET_LEDGERS, (n - kept.n) * USE_BYTES);
	dict__free(&uses->by_trace);
	uses->by_trace = kept;
}

struct use *uses__list(const struct uses *uses, size_t *ret_n)
{
	size_t n = uses ? uses->by_trace.n : 0;
	struct use *list;

	*ret_n = 0;
	if (!n)
		return NULL;
	list = malloc(n * sizeof(*list));
	if (!list)
		return NULL;
	memcpy(list, uses->by_trace.entries, n * sizeof(*list));
	for (size_t i = 0; i < n; i++)
		trace__ref(list[i].trace);
	*ret_n = n;
	return list;
}

void uses__free_list(struct use *list, size_t n)
{
	if (!list)
		return;
	for (size_t i = 0; i < n; i++)
		trace__unref(list[i].trace);
	free(list);
}
