// SPDX-License-Identifier: BSD-2-Clause
#include "report/callsites.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/amount.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/text.h"

#define AMOUNT_WIDTH   10
#define FUNCTION_WIDTH 48

static const char *const sources[] = {
	[STACK_SOURCE_NONE] = "none",
	[STACK_SOURCE_FP] = "fp",
	[STACK_SOURCE_CFI] = "cfi",
};

size_t callsites__shown(const struct report *report, const struct encode_options *options)
{
	size_t most = options->all ? report->n_sites : options->top, n = 0;

	while (n < report->n_sites && n < most && report->sites[n].rss >= options->min)
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

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void add_function(struct buf *out, const struct frame *frame, size_t width)
{
	_cleanup_buf_ struct buf name = {};

	if (frame->function)
		buf__puts(&name, frame->function);
	else
		buf__printf(&name, "0x%" PRIx64, frame->offset);
	if (frame->inlined)
		buf__puts(&name, " (inlined)");
	text__show_padded(out, name.data ?: "", width);
}

static void add_frame(struct buf *out, const struct frame *frame)
{
	buf__puts(out, "    ");
	add_function(out, frame, FUNCTION_WIDTH);
	if (frame->module) {
		buf__puts(out, " ");
		text__show(out, frame->module);
		buf__printf(out, "+0x%" PRIx64, frame->offset);
	}
	if (frame->file) {
		buf__puts(out, " ");
		text__show(out, base_name(frame->file));
		if (frame->line)
			buf__printf(out, ":%" PRIu32, frame->line);
	}
	buf__puts(out, "\n");
}

static void add_owner(struct buf *out, const struct frame *owner)
{
	buf__puts(out, "  OWNER ");
	add_function(out, owner, 0);
	if (owner->module) {
		buf__puts(out, " in ");
		text__show(out, owner->module);
	}
	buf__puts(out, "\n");
}

static void add_block(struct buf *out, const struct site_row *row, size_t id, enum unit unit)
{
	const struct callsite *site = row->site;

	buf__printf(out, "#%-3zu RSS ", id);
	amount__add(out, row->rss, AMOUNT_WIDTH, unit);
	buf__puts(out, "  MAPPED ");
	amount__add(out, row->mapped, AMOUNT_WIDTH, unit);
	buf__printf(out, "  REGIONS %" PRIu64, row->regions);
	add_time(out, "  FIRST SEEN ", row->first_seen);
	add_time(out, "  LAST SEEN ", row->last_seen);
	buf__puts(out, "\n");
	if (row->owner >= 0)
		add_owner(out, &site->frames[row->owner]);
	for (size_t i = 0; i < site->n; i++)
		add_frame(out, &site->frames[i]);
	if (callsite__is_other(site))
		buf__puts(out, "    (all further call sites: the table of call sites is full)\n");
	else if (site->truncated)
		buf__puts(out, "    (truncated: what called this is not known)\n");
	buf__puts(out, "\n");
}

void callsites__add_text(const struct report *report, const struct encode_options *options,
			 struct buf *out)
{
	size_t n = callsites__shown(report, options);

	for (size_t i = 0; i < n; i++)
		add_block(out, &report->sites[i], i + 1, options->unit);
}

static void put_time(struct json *json, const char *key, uint64_t wall_ns)
{
	char text[CLOCK_TEXT_LEN];

	if (wall_ns)
		clock__format(wall_ns, text);
	json__put_string(json, key, wall_ns ? text : NULL);
}

static void put_frame(struct json *json, const struct frame *frame)
{
	json__object(json);
	json__put_string(json, "function", frame->function);
	json__put_string(json, "file", frame->file);
	json__key(json, "line");
	if (frame->line)
		json__u64(json, frame->line);
	else
		json__null(json);
	json__put_bool(json, "inlined", frame->inlined);
	json__put_string(json, "module", frame->module);
	json__put_string(json, "build_id", frame->build_id);
	json__put_hex(json, "offset", frame->offset);
	json__end_object(json);
}

static void put_owner(struct json *json, const struct site_row *row)
{
	const struct frame *owner = row->owner < 0 ? NULL : &row->site->frames[row->owner];

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

static void put_site(struct json *json, const struct site_row *row, size_t id)
{
	const struct callsite *site = row->site;

	json__object(json);
	json__put_u64(json, "id", id);
	amount__put(json, "rss", row->rss);
	amount__put(json, "mapped", row->mapped);
	json__put_u64(json, "regions", row->regions);
	amount__put(json, "total_mapped", row->total_mapped);
	amount__put(json, "total_unmapped", row->total_unmapped);
	put_time(json, "first_seen", row->first_seen);
	put_time(json, "last_seen", row->last_seen);
	put_owner(json, row);
	json__put_string(json, "stack_source", sources[site->source]);
	json__put_bool(json, "truncated", site->truncated);
	json__key(json, "stack");
	json__array(json);
	for (size_t i = 0; i < site->n; i++)
		put_frame(json, &site->frames[i]);
	json__end_array(json);
	json__end_object(json);
}

void callsites__add_json(const struct report *report, const struct encode_options *options,
			 size_t n_regions, struct json *json)
{
	size_t n = callsites__shown(report, options);
	_cleanup_free_ bool *wanted = calloc(report->n_sites + 1, sizeof(*wanted));

	for (size_t i = 0; wanted && i < n_regions; i++) {
		wanted[report__site_id(report, report->regions[i].callsite)] = true;
		wanted[report__site_id(report, report->regions[i].named_by)] = true;
	}
	json__key(json, "callsites");
	json__array(json);
	for (size_t i = 0; i < report->n_sites; i++) {
		if (i < n || !wanted || wanted[i + 1])
			put_site(json, &report->sites[i], i + 1);
	}
	json__end_array(json);
}
