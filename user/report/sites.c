// SPDX-License-Identifier: BSD-2-Clause
#include "report/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/site_table.h"

struct entry {
	struct site_entry site;
	uint64_t own;  /* mapped now, and not inherited */
	uint64_t used; /* mapped in all, by these processes themselves */
	bool live;     /* it has regions now, or has named some */
};

struct sites {
	struct site_table table;
	struct entry *last; /* that was asked for: neighbours are often of one call site */
	struct class_bytes siteless[COVERAGES][CATEGORIES];
};

struct sites *sites__new(void)
{
	struct sites *sites = calloc(1, sizeof(*sites));

	if (sites)
		sites->table.entry_size = sizeof(struct entry);
	return sites;
}

void sites__free(struct sites *sites)
{
	if (sites)
		site_table__free(&sites->table);
	free(sites);
}

static struct entry *entry_of(struct sites *sites, struct callsite *site)
{
	if (!sites->last || sites->last->site.site != site)
		sites->last = (struct entry *)site_table__at(&sites->table, site);
	return sites->last;
}

static void add_bytes(struct class_bytes *bytes, const struct part *part)
{
	bytes->rss += part->rss;
	bytes->mapped += part->end - part->start;
}

static int add_part(struct sites *sites, const struct part *part)
{
	struct entry *entry;
	struct site_row *row;

	if (part->callsite) {
		entry = entry_of(sites, part->callsite);
		if (!entry)
			return -ENOMEM;
		entry->live = true;
		row = &entry->site.row;
		row->rss += part->rss;
		row->mapped += part->end - part->start;
		row->regions++;
		page_kinds__add(&row->kinds, &part->kinds);
		add_bytes(&row->by_class[part->category], part);
		if (!part->inherited)
			entry->own += part->end - part->start;
		site_row__see(row, part->created_ns, part->created_ns);
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
	site_row__see(&entry->site.row, use->first_ns, use->last_ns);
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

static bool complete(const struct site_entry *site, struct site_row *row)
{
	const struct entry *entry = (const struct entry *)site;

	row->total_mapped = entry->used + row->mapped - entry->own;
	row->total_unmapped = entry->used > entry->own ? entry->used - entry->own : 0;
	return entry->live;
}

int sites__fill(const struct sites *sites, struct report *report)
{
	int err;

	report__drop_sites(report);
	memcpy(report->siteless, sites->siteless, sizeof(report->siteless));
	err = site_table__rows(&sites->table, complete, report->strings, &report->sites,
			       &report->n_sites);
	if (err)
		return err;
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
