// SPDX-License-Identifier: BSD-2-Clause
#include "diff/diff_encode.h"

#include <stdlib.h>

#include "report/amount.h"
#include "report/kinds.h"
#include "report/show_frame.h"
#include "util/cleanup.h"
#include "util/json.h"

struct writer {
	const struct difference *difference;
	const struct diff_options *options;
	struct json json;
};

static void put_report(struct json *json, const char *key, const struct saved *saved,
		       const char *file)
{
	json__key(json, key);
	json__object(json);
	json__put_string(json, "file", file);
	json__key(json, "pid");
	if (saved->pid)
		json__u64(json, saved->pid);
	else
		json__null(json);
	json__put_string(json, "comm", saved->comm);
	json__put_string(json, "taken_at", saved->taken_at);
	json__end_object(json);
}

/* a, b and growth: null where it is not known. */
static void put_amounts(struct json *json, uint64_t a, uint64_t b, uint64_t growth_a,
			uint64_t growth_b)
{
	amount__put(json, "a", a);
	amount__put(json, "b", b);
	json__key(json, "growth");
	if (growth_a == UNKNOWN_BYTES || growth_b == UNKNOWN_BYTES)
		json__null(json);
	else
		json__i64(json, (int64_t)(growth_b - growth_a));
}

static void put_total(struct json *json, const char *key, uint64_t a, uint64_t b)
{
	json__key(json, key);
	json__object(json);
	put_amounts(json, a, b, a, b);
	json__end_object(json);
}

void diff_encode__site(struct json *json, const struct saved_site *site)
{
	json__key(json, "owner");
	if (site->owner || site->owner_module) {
		json__object(json);
		json__put_string(json, "function", site->owner);
		json__put_string(json, "module", site->owner_module);
		json__end_object(json);
	} else {
		json__null(json);
	}
	json__key(json, "stack");
	json__array(json);
	for (size_t i = 0; i < site->n_frames; i++)
		frame__put(json, &site->frames[i]);
	json__end_array(json);
}

static void put_site(struct json *json, const struct diff_row *row)
{
	json__put_string(json, "matched_by",
			 row->by_functions && row->in_a && row->in_b ? "functions"
			 : row->in_a && row->in_b		     ? "location"
								     : NULL);
	diff_encode__site(json, row->site);
}

/* What one report does not have is 0 if that is known, and null if it may have been left out. */
static void put_row(struct json *json, const struct diff_row *row)
{
	json__object(json);
	json__put_string(json, "change", change__name(row->change));
	put_amounts(json, row->change == CHANGE_UNLISTED_A ? UNKNOWN_BYTES : row->a,
		    row->change == CHANGE_UNLISTED_B ? UNKNOWN_BYTES : row->b, row->a, row->b);
	if (row->site)
		put_site(json, row);
	else
		json__put_string(json, "name", row->name);
	json__end_object(json);
}

static void put_list(struct writer *w, const char *key, const struct diff_list *list)
{
	_cleanup_free_ const struct diff_row **rows = calloc(list->n + 1, sizeof(*rows));
	struct json *json = &w->json;
	struct diff_row others;
	size_t n;

	if (!rows) {
		json->out->failed = true;
		return;
	}
	n = diff_list__select(list, w->options->top, w->options->all, rows, &others);
	json__key(json, key);
	json__object(json);
	json__put_bool(json, "a_lists_all", list->complete_a);
	json__put_bool(json, "b_lists_all", list->complete_b);
	json__key(json, "rows");
	json__array(json);
	for (size_t i = 0; i < n; i++)
		put_row(json, rows[i]);
	json__end_array(json);
	put_total(json, "others", others.a, others.b);
	put_total(json, "rest", list->rest_a, list->rest_b);
	json__end_object(json);
}

void diff_encode__json(const struct difference *d, const struct diff_options *options,
		       struct buf *ret)
{
	struct writer w = {.difference = d, .options = options, .json = {.out = ret}};
	struct json *json = &w.json;

	json__object(json);
	json__put_u64(json, "schema", 1);
	json__put_string(json, "version", MEMPROV_VERSION);
	put_report(json, "a", d->a, options->files[0]);
	put_report(json, "b", d->b, options->files[1]);
	json__key(json, "totals");
	json__object(json);
	put_total(json, "rss", d->a->totals.rss, d->b->totals.rss);
	put_total(json, "pss", d->a->totals.pss, d->b->totals.pss);
	put_total(json, "swap", d->a->totals.swap, d->b->totals.swap);
	put_total(json, "virtual", d->a->totals.size, d->b->totals.size);
	for (size_t i = 0; i < PAGE_KINDS; i++)
		put_total(json, kind_words[i].key, d->a->totals.kinds.bytes[i],
			  d->b->totals.kinds.bytes[i]);
	json__end_object(json);
	put_list(&w, "callsites", &d->sites);
	put_list(&w, "touched", &d->touched);
	put_list(&w, "names", &d->names);
	put_list(&w, "categories", &d->categories);
	put_list(&w, "processes", &d->processes);
	json__end_object(json);
	buf__puts(ret, "\n");
}
