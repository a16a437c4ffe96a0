// SPDX-License-Identifier: BSD-2-Clause
#include "report/touch_sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "util/arena.h"
#include "util/clock.h"

struct entry {
	UT_hash_handle hh; /* by site */
	struct callsite *site;
	struct site_row row;
	double variance;
};

struct touch_sites {
	struct entry *entries;
	uint64_t page_size;
	struct report_touch sums;
};

struct touch_sites *touch_sites__new(uint64_t page_size)
{
	struct touch_sites *sites = calloc(1, sizeof(*sites));

	if (sites)
		sites->page_size = page_size;
	return sites;
}

void touch_sites__free(struct touch_sites *sites)
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

static struct entry *entry_of(struct touch_sites *sites, struct callsite *site)
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

static int add_share(const struct part *part, const struct touch_share *share, void *ctx)
{
	struct touch_sites *sites = ctx;
	struct entry *entry;

	sites->sums.resident += share->rss;
	sites->sums.samples += share->samples;
	if (!share->site) {
		sites->sums.unsampled += share->rss;
		sites->sums.unsampled_by_class[part->category] += share->rss;
		return 0;
	}
	entry = entry_of(sites, share->site);
	if (!entry)
		return -ENOMEM;
	sites->sums.sampled += share->rss;
	entry->variance += share->variance;
	entry->row.rss += share->rss;
	entry->row.samples += share->samples;
	entry->row.regions++;
	entry->row.by_class[part->category].rss += share->rss;
	if (!entry->row.first_seen || share->first_ns < entry->row.first_seen)
		entry->row.first_seen = share->first_ns;
	if (share->last_ns > entry->row.last_seen)
		entry->row.last_seen = share->last_ns;
	return 0;
}

int touch_sites__add(struct touch_sites *sites, const struct part *parts, size_t n_parts,
		     const struct touch_sample *samples, size_t n)
{
	return touched__share_out(parts, n_parts, samples, n, sites->page_size, add_share, sites);
}

static int larger_site(const void *a, const void *b)
{
	const struct site_row *x = a, *y = b;

	if (x->rss != y->rss)
		return x->rss < y->rss ? 1 : -1;
	return (x->site->hash > y->site->hash) - (x->site->hash < y->site->hash);
}

int touch_sites__fill(const struct touch_sites *sites, struct report *report)
{
	uint64_t boot_wall_ns = clock__boot_to_wall(0);
	struct report_touch *touch = &report->touch;
	struct entry *entry, *next;
	struct site_row *row;

	report__drop_touch_sites(report);
	touch->resident = sites->sums.resident;
	touch->sampled = sites->sums.sampled;
	touch->unsampled = sites->sums.unsampled;
	touch->samples = sites->sums.samples;
	memcpy(touch->unsampled_by_class, sites->sums.unsampled_by_class,
	       sizeof(touch->unsampled_by_class));
	touch->sites = arena__alloc(report->strings,
				    (HASH_COUNT(sites->entries) + 1) * sizeof(*touch->sites));
	if (!touch->sites)
		return -ENOMEM;
	HASH_ITER (hh, sites->entries, entry, next) {
		row = &touch->sites[touch->n_sites++];
		*row = entry->row;
		row->site = callsite__ref(entry->site);
		row->owner = row->site->owner;
		row->rss_error = (uint64_t)sqrt(entry->variance);
		row->first_seen += boot_wall_ns;
		row->last_seen += boot_wall_ns;
	}
	qsort(touch->sites, touch->n_sites, sizeof(*touch->sites), larger_site);
	return 0;
}

int touch_sites__fill_process(struct report *report)
{
	struct touch_sites *sites = touch_sites__new(sysconf(_SC_PAGESIZE));
	int err = sites ? touch_sites__add(sites, report->regions, report->n_regions,
					   report->touch.list, report->touch.n_list)
			: -ENOMEM;

	if (!err)
		err = touch_sites__fill(sites, report);
	touch_sites__free(sites);
	return err;
}
