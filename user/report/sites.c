// SPDX-License-Identifier: BSD-2-Clause
#include "report/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "util/arena.h"
#include "util/clock.h"

struct entry {
	UT_hash_handle hh; /* by site */
	struct callsite *site;
	struct site_row row;
	uint64_t own;  /* mapped now, and not inherited */
	uint64_t used; /* mapped in all, by these processes themselves */
	bool live;     /* it has regions now, or has named some */
};

struct sites {
	struct entry *entries;
	struct class_bytes siteless[COVERAGES][CATEGORIES];
};

struct sites *sites__new(void)
{
	return calloc(1, sizeof(struct sites));
}

void sites__free(struct sites *sites)
{
	struct entry *entry, *next;

	if (!sites)
		return;
	HASH_ITER (hh, sites->entries, entry, next) {
		HASH_DEL(sites->entries, entry);
		callsite__unref(entry->site);
		free(entry);
	}
	free(sites);
}

static struct entry *entry_of(struct sites *sites, struct callsite *site)
{
	struct entry *entry;

	HASH_FIND_PTR(sites->entries, &site, entry);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->site = callsite__ref(site);
	HASH_ADD_PTR(sites->entries, site, entry);
	return entry;
}

static void see(struct site_row *row, uint64_t first_ns, uint64_t last_ns)
{
	if (!row->first_seen || first_ns < row->first_seen)
		row->first_seen = first_ns;
	if (last_ns > row->last_seen)
		row->last_seen = last_ns;
}

static void add_bytes(struct class_bytes *bytes, const struct part *part)
{
	bytes->rss += part->rss;
	bytes->mapped += part->end - part->start;
}

static int add_part(struct sites *sites, const struct part *part)
{
	struct entry *entry;

	if (part->callsite) {
		entry = entry_of(sites, part->callsite);
		if (!entry)
			return -ENOMEM;
		entry->live = true;
		entry->row.rss += part->rss;
		entry->row.mapped += part->end - part->start;
		entry->row.regions++;
		page_kinds__add(&entry->row.kinds, &part->kinds);
		add_bytes(&entry->row.by_class[part->category], part);
		if (!part->inherited)
			entry->own += part->end - part->start;
		see(&entry->row, part->created_ns, part->created_ns);
	} else {
		add_bytes(&sites->siteless[part->coverage][part->category], part);
	}
	if (part->named_by) {
		entry = entry_of(sites, part->named_by);
		if (!entry)
			return -ENOMEM;
		entry->live = true;
	}
	return 0;
}

static int add_use(struct sites *sites, const struct use *use)
{
	struct callsite *site = trace__site(use->trace);
	struct entry *entry;

	if (!site)
		return 0;
	entry = entry_of(sites, site);
	if (!entry)
		return -ENOMEM;
	entry->used += use->mapped;
	see(&entry->row, use->first_ns, use->last_ns);
	return 0;
}

int sites__add(struct sites *sites, const struct part *parts, size_t n_parts,
	       const struct use *uses, size_t n_uses)
{
	int err = 0;

	for (size_t i = 0; !err && i < n_parts; i++)
		err = add_part(sites, &parts[i]);
	for (size_t i = 0; !err && i < n_uses; i++)
		err = add_use(sites, &uses[i]);
	return err;
}

static int larger_site(const void *a, const void *b)
{
	const struct site_row *x = a, *y = b;
	uint64_t x_held = page_kinds__held(&x->kinds, x->rss);
	uint64_t y_held = page_kinds__held(&y->kinds, y->rss);

	if (x_held != y_held)
		return x_held < y_held ? 1 : -1;
	if (x->mapped != y->mapped)
		return x->mapped < y->mapped ? 1 : -1;
	/* so that equal rows do not change places */
	return (x->site->hash > y->site->hash) - (x->site->hash < y->site->hash);
}

int sites__fill(const struct sites *sites, struct report *report)
{
	uint64_t boot_wall_ns = clock__boot_to_wall(0);
	struct entry *entry, *next;

	report__drop_sites(report);
	memcpy(report->siteless, sites->siteless, sizeof(report->siteless));
	report->sites = arena__alloc(report->strings,
				     (HASH_COUNT(sites->entries) + 1) * sizeof(*report->sites));
	if (!report->sites)
		return -ENOMEM;
	HASH_ITER (hh, sites->entries, entry, next) {
		struct site_row *row = &report->sites[report->n_sites];
		uint64_t inherited = entry->row.mapped - entry->own;

		if (!entry->live)
			continue;
		*row = entry->row;
		row->site = callsite__ref(entry->site);
		row->total_mapped = entry->used + inherited;
		row->total_unmapped = entry->used > entry->own ? entry->used - entry->own : 0;
		if (row->first_seen) {
			row->first_seen += boot_wall_ns;
			row->last_seen += boot_wall_ns;
		}
		row->owner = row->site->owner;
		report->n_sites++;
	}
	qsort(report->sites, report->n_sites, sizeof(*report->sites), larger_site);
	return report__number_sites(report);
}

int sites__fill_process(struct report *report)
{
	struct sites *sites = sites__new();
	int err = sites ? sites__add(sites, report->regions, report->n_regions, report->uses,
				     report->n_uses)
			: -ENOMEM;

	if (!err)
		err = sites__fill(sites, report);
	sites__free(sites);
	return err;
}
