// SPDX-License-Identifier: BSD-2-Clause
#include "report/callsites.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/amount.h"
#include "report/kinds.h"
#include "report/show_frame.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/text.h"

#define AMOUNT_WIDTH 10

static const char *const sources[] = {
	[STACK_SOURCE_NONE] = "none",
	[STACK_SOURCE_FP] = "fp",
	[STACK_SOURCE_CFI] = "cfi",
};

static uint64_t held_by(const struct site_row *row)
{
	return page_kinds__held(&row->kinds, row->rss);
}

size_t callsites__shown(const struct report *report, const struct encode_options *options)
{
	size_t most = options->all ? report->n_sites : options->top, n = 0;

	while (n < report->n_sites && n < most && held_by(&report->sites[n]) >= options->min)
		n++;
	return n;
}

static void add_time(struct buf *out, const char *label, uint64_t wall_ns)
{
	char text[CLOCK_TEXT_LEN];

	if (!wall_ns)
		return;
	clock__format(wall_ns, text);
	buf__printf(out, "%s%s", label, text);
}

static void add_owner(struct buf *out, const struct frame *owner)
{
	const char *place = owner->language ? owner->file : owner->module;

	buf__puts(out, "  OWNER ");
	frame__add_function(out, owner, 0);
	if (place) {
		buf__puts(out, " in ");
		text__show(out, place);
	}
	buf__puts(out, "\n");
}

void callsite__add_times(struct buf *out, const struct site_row *row)
{
	add_time(out, "  FIRST SEEN ", row->first_seen);
	add_time(out, "  LAST SEEN ", row->last_seen);
}

void callsite__add_stack(struct buf *out, const struct site_row *row)
{
	const struct callsite *site = row->site;

	if (row->owner >= 0)
		add_owner(out, site->frames[row->owner]);
	for (size_t i = 0; i < site->n; i++)
		frame__add_text(out, site->frames[i]);
	if (callsite__is_other(site))
		buf__puts(out, "    (all further call sites: the table of call sites is full)\n");
	else if (site->truncated)
		buf__puts(out, "    (truncated: what called this is not known)\n");
	buf__puts(out, "\n");
}

static void add_block(struct buf *out, const struct site_row *row, size_t id, enum unit unit)
{
	buf__printf(out, "#%-3zu RSS ", id);
	amount__add(out, row->rss, AMOUNT_WIDTH, unit);
	buf__puts(out, "  MAPPED ");
	amount__add(out, row->mapped, AMOUNT_WIDTH, unit);
	kinds__add_columns(out, &row->kinds, unit);
	buf__printf(out, "  REGIONS %" PRIu64, row->regions);
	callsite__add_times(out, row);
	buf__puts(out, "\n");
	callsite__add_stack(out, row);
}

void callsites__add_text(const struct report *report, const struct encode_options *options,
			 struct buf *out)
{
	size_t n = callsites__shown(report, options);

	for (size_t i = 0; i < n; i++)
		add_block(out, &report->sites[i], i + 1, options->unit);
}

static void put_owner(struct json *json, const struct site_row *row)
{
	const struct frame *owner = row->owner < 0 ? NULL : row->site->frames[row->owner];

	json__key(json, "owner");
	if (!owner) {
		json__null(json);
		return;
	}
	json__object(json);
	json__put_string(json, "function", owner->function);
	json__put_string(json, "module", owner->module);
	json__end_object(json);
}

void callsite__put_stack(struct json *json, const struct site_row *row)
{
	const struct callsite *site = row->site;

	json__put_time(json, "first_seen", row->first_seen);
	json__put_time(json, "last_seen", row->last_seen);
	put_owner(json, row);
	json__put_string(json, "stack_source", sources[site->source]);
	json__put_bool(json, "truncated", site->truncated);
	json__key(json, "stack");
	json__array(json);
	for (size_t i = 0; i < site->n; i++)
		frame__put(json, site->frames[i]);
	json__end_array(json);
}

static void put_site(struct json *json, const struct site_row *row, size_t id)
{
	json__object(json);
	json__put_u64(json, "id", id);
	amount__put(json, "rss", row->rss);
	amount__put(json, "mapped", row->mapped);
	json__put_u64(json, "regions", row->regions);
	kinds__put(json, &row->kinds);
	amount__put(json, "total_mapped", row->total_mapped);
	amount__put(json, "total_unmapped", row->total_unmapped);
	callsite__put_stack(json, row);
	json__end_object(json);
}

void callsites__add_json(const struct report *report, const struct encode_options *options,
			 size_t n_regions, struct json *json)
{
	size_t n = callsites__shown(report, options);
	_cleanup_free_ bool *wanted = calloc(report->n_sites + 1, sizeof(*wanted));
	size_t left_out = 0;

	for (size_t i = 0; wanted && i < n_regions; i++) {
		wanted[report__site_id(report, report->regions[i].callsite)] = true;
		wanted[report__site_id(report, report->regions[i].named_by)] = true;
	}
	json__key(json, "callsites");
	json__array(json);
	for (size_t i = 0; i < report->n_sites; i++) {
		if (i < n || !wanted || wanted[i + 1])
			put_site(json, &report->sites[i], i + 1);
		else
			left_out++;
	}
	json__end_array(json);
	json__put_u64(json, "callsites_left_out", left_out);
}
