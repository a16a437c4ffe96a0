// SPDX-License-Identifier: BSD-2-Clause
#include "report/site_table.h"

#include <errno.h>
#include <stdlib.h>

#include "util/arena.h"
#include "util/clock.h"

void site_table__free(struct site_table *table)
{
	struct site_entry *entry, *next;

	HASH_ITER (hh, table->entries, entry, next) {
		HASH_DEL(table->entries, entry);
		callsite__unref(entry->site);
		free(entry);
	}
}

struct site_entry *site_table__at(struct site_table *table, struct callsite *site)
{
	struct site_entry *entry;

	HASH_FIND_PTR(table->entries, &site, entry);
	if (entry)
		return entry;
	entry = calloc(1, table->entry_size);
	if (!entry)
		return NULL;
	entry->site = callsite__ref(site);
	HASH_ADD_PTR(table->entries, site, entry);
	if (!HASH_HAS(entry)) {
		callsite__unref(site);
		free(entry);
		return NULL;
	}
	return entry;
}

void site_row__see(struct site_row *row, uint64_t first_ns, uint64_t last_ns)
{
	if (!row->first_seen || first_ns < row->first_seen)
		row->first_seen = first_ns;
	if (last_ns > row->last_seen)
		row->last_seen = last_ns;
}

int site_table__rows(const struct site_table *table, site_complete_fn *complete,
		     struct arena *arena, struct site_row **ret, size_t *ret_n)
{
	struct site_row *rows =
		arena__alloc(arena, (HASH_COUNT(table->entries) + 1) * sizeof(*rows));
	uint64_t boot_wall_ns = clock__boot_to_wall(0);
	struct site_entry *entry, *next;
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	HASH_ITER (hh, table->entries, entry, next) {
		struct site_row *row = &rows[n];

		*row = entry->row;
		if (!complete(entry, row))
			continue;
		row->site = callsite__ref(entry->site);
		row->owner = row->site->owner;
		if (row->first_seen) {
			row->first_seen += boot_wall_ns;
			row->last_seen += boot_wall_ns;
		}
		n++;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}
