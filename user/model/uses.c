// SPDX-License-Identifier: BSD-2-Clause
#include "model/uses.h"

#include <stdlib.h>
#include <uthash.h>

struct entry {
	UT_hash_handle hh; /* by use.trace */
	struct use use;
};

struct uses {
	struct entry *entries;
};

void uses__free(struct uses *uses)
{
	struct entry *entry, *next;

	if (!uses)
		return;
	HASH_ITER (hh, uses->entries, entry, next) {
		HASH_DEL(uses->entries, entry);
		trace__unref(entry->use.trace);
		free(entry);
	}
	free(uses);
}

static struct entry *find(struct uses *uses, struct trace *trace)
{
	struct entry *entry;

	HASH_FIND_PTR(uses->entries, &trace, entry);
	if (entry)
		return entry;
	if (trace && HASH_COUNT(uses->entries) >= USES_MAX)
		return find(uses, NULL);
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->use.trace = trace__ref(trace);
	HASH_ADD_PTR(uses->entries, use.trace, entry);
	return entry;
}

void uses__add(struct uses **uses, struct trace *trace, uint64_t bytes, uint64_t now)
{
	struct entry *entry;

	if (!*uses)
		*uses = calloc(1, sizeof(**uses));
	entry = *uses ? find(*uses, trace) : NULL;
	if (!entry)
		return;
	if (!entry->use.mapped)
		entry->use.first_ns = now;
	entry->use.last_ns = now;
	entry->use.mapped += bytes;
}

struct use *uses__list(const struct uses *uses, size_t *ret_n)
{
	struct entry *entry, *next;
	struct use *list;
	size_t n = 0;

	*ret_n = 0;
	if (!uses)
		return NULL;
	list = malloc(HASH_COUNT(uses->entries) * sizeof(*list));
	if (!list)
		return NULL;
	HASH_ITER (hh, uses->entries, entry, next) {
		list[n] = entry->use;
		trace__ref(list[n++].trace);
	}
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
