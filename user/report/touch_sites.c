// SPDX-License-Identifier: BSD-2-Clause
#include "report/touch_sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/site_table.h"

struct entry {
	struct site_entry site;
	double variance;
};

struct touch_sites {
	struct site_table table;
	uint64_t page_size;
	struct report_touch sums;
};

struct touch_sites *touch_sites__new(uint64_t page_size)
{
	struct touch_sites *sites = calloc(1, sizeof(*sites));

	if (sites)
		*sites = (struct touch_sites){
			.table.entry_size = sizeof(struct entry),
			.page_size = page_size,
		};
	return sites;
}

void touch_sites__free(struct touch_sites *sites)
{
	if (sites)
		site_table__free(&sites->table);
	free(sites);
}

static int add_share(const struct part *part, const struct touch_share *share, void *ctx)
{
	struct touch_sites *sites = ctx;
	struct entry *entry;
	struct site_row *row;

	sites->sums.resident += share->rss;
	sites->sums.samples += share->samples;
	if (!share->site) {
		sites->sums.unsampled += share->rss;
		sites->sums.unsampled_by_class[part->category] += share->rss;
		return 0;
	}
	entry = (struct entry *)site_table__at(&sites->table, share->site);
	if (!entry)
		return -ENOMEM;
	sites->sums.sampled += share->rss;
	entry->variance += share->variance;
	row = &entry->site.row;
	row->rss += share->rss;
	row->samples += share->samples;
	row->regions++;
	row->by_class[part->category].rss += share->rss;
	site_row__see(row, share->first_ns, share->last_ns);
	return 0;
}

int touch_sites__add(struct touch_sites *sites, const struct part *parts, size_t n_parts,
		     const struct touch_list *touches)
{
	return touched__share_out(parts, n_parts, touches, sites->page_size, add_share, sites);
}

static int larger_site(const void *a, const void *b)
{
	const struct site_row *x = a, *y = b;

	if (x->rss != y->rss)
		return x->rss < y->rss ? 1 : -1;
	return (x->site->hash > y->site->hash) - (x->site->hash < y->site->hash);
}

static bool complete(const struct site_entry *entry, struct site_row *row)
{
	row->rss_error = (uint64_t)sqrt(((const struct entry *)entry)->variance);
	return true;
}

int touch_sites__fill(const struct touch_sites *sites, struct report *report)
{
	struct report_touch *touch = &report->touch;
	int err;

	report__drop_touch_sites(report);
	touch->resident = sites->sums.resident;
	touch->sampled = sites->sums.sampled;
	touch->unsampled = sites->sums.unsampled;
	touch->samples = sites->sums.samples;
	memcpy(touch->unsampled_by_class, sites->sums.unsampled_by_class,
	       sizeof(touch->unsampled_by_class));
	err = site_table__rows(&sites->table, complete, report->strings, &touch->sites,
			       &touch->n_sites);
	if (!err)
		qsort(touch->sites, touch->n_sites, sizeof(*touch->sites), larger_site);
	return err;
}

int touch_sites__fill_process(struct report *report)
{
	const struct touch_list touches = {.samples = report->touch.list,
					   .n = report->touch.n_list};
	struct touch_sites *sites = touch_sites__new(sysconf(_SC_PAGESIZE));
	int err = sites ? touch_sites__add(sites, report->regions, report->n_regions, &touches)
			: -ENOMEM;

	if (!err)
		err = touch_sites__fill(sites, report);
	touch_sites__free(sites);
	return err;
}
