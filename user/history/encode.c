// SPDX-License-Identifier: BSD-2-Clause
#include "history/encode.h"

#include <stdio.h>

#include "diff/diff_encode.h"
#include "report/amount.h"
#include "report/show_frame.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/text.h"

#define NS_PER_MS 1000000
#define WIDTH	  10
#define BAR	  40

static uint64_t bytes_of(int64_t amount)
{
	return amount == DB_NULL ? UNKNOWN_BYTES : (uint64_t)amount;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_point(struct json *json, const struct timeline_point *point)
{
	json__object(json);
	json__put_time(json, "at", point->at_ms * NS_PER_MS);
	for (int i = 0; i < AMOUNTS; i++)
		amount__put(json, amount_names[i], bytes_of(point->amounts[i]));
	json__end_object(json);
}

static void put_site(struct json *json, const struct timeline *t, const struct timeline_site *site)
{
	json__object(json);
	diff_encode__site(json, &site->site);
	json__key(json, "points");
	json__array(json);
	for (size_t i = 0; i < t->n; i++) {
		if (site->rss[i] == DB_NULL)
			continue;
		json__object(json);
		json__put_time(json, "at", t->points[i].at_ms * NS_PER_MS);
		json__put_u64(json, "rss", site->rss[i]);
		json__end_object(json);
	}
	json__end_array(json);
	json__end_object(json);
}

void timeline__encode_json(const struct timeline *t, const struct selection *selection,
			   const struct encode_options *options, struct buf *ret)
{
	struct json json = {.out = ret};

	json__object(&json);
	json__put_u64(&json, "schema", 1);
	json__key(&json, "pid");
	if (selection->pid)
		json__u64(&json, selection->pid);
	else
		json__null(&json);
	json__put_time(&json, "start_time", selection->started);
	json__put_string(&json, "comm", selection->comm);
	json__put_u64(&json, "step_s", t->step_s);
	json__key(&json, "points");
	json__array(&json);
	for (size_t i = 0; i < t->n; i++)
		put_point(&json, &t->points[i]);
	json__end_array(&json);
	json__key(&json, "callsites");
	json__array(&json);
	for (size_t i = 0; i < t->n_sites; i++)
		put_site(&json, t, &t->sites[i]);
	json__end_array(&json);
	json__end_object(&json);
	buf__puts(ret, "\n");
}

/* --- text ------------------------------------------------------------------------------------- */

static void add_time(struct buf *out, int64_t at_ms)
{
	char text[CLOCK_TEXT_LEN];

	clock__format(at_ms * NS_PER_MS, text);
	/* To the second. */
	buf__printf(out, "%.19sZ", text);
}

static void add_bar(struct buf *out, int64_t amount, int64_t most)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	int64_t length = most > 0 ? (int64_t)((double)amount / most * BAR * 8 + 0.5) : 0;

	for (int64_t i = 0; i < length / 8; i++)
		buf__puts(out, "█");
	buf__puts(out, eighths[length % 8]);
}

static void add_heading(struct buf *out, const struct selection *selection)
{
	buf__puts(out, "=== Resident Memory of ");
	if (selection->pid) {
		buf__printf(out, "Process %d", selection->pid);
		if (selection->comm) {
			buf__puts(out, " (");
			text__show(out, selection->comm);
			buf__puts(out, ")");
		}
	} else {
		buf__puts(out, selection->kind == SERIES_NODE ? "the Node" : "the Group");
	}
	buf__puts(out, " ===\n\n");
}

static void add_points(struct buf *out, const struct timeline *t, enum unit unit)
{
	int64_t most = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (t->points[i].amounts[AMOUNT_RSS] > most)
			most = t->points[i].amounts[AMOUNT_RSS];
	}
	buf__printf(out, "%-20s  %13s  %13s  %13s\n", "AT", "RSS", "PSS", "SWAP");
	for (size_t i = 0; i < t->n; i++) {
		const int64_t *amounts = t->points[i].amounts;

		/* The last moment may be a part of a second after the last step. */
		if (i + 1 < t->n && t->points[i].at_ms / 1000 == t->points[i + 1].at_ms / 1000)
			continue;
		add_time(out, t->points[i].at_ms);
		for (int a = AMOUNT_RSS; a <= AMOUNT_SWAP; a++) {
			buf__puts(out, "  ");
			amount__add(out, bytes_of(amounts[a]), WIDTH, unit);
		}
		buf__puts(out, "  ");
		add_bar(out, amounts[AMOUNT_RSS], most);
		buf__puts(out, "\n");
	}
}

/* The first and the last that is known of it. */
static void add_site(struct buf *out, const struct timeline *t, size_t n, enum unit unit)
{
	const struct timeline_site *site = &t->sites[n];
	int64_t first = DB_NULL, last = DB_NULL;

	for (size_t i = 0; i < t->n; i++) {
		if (site->rss[i] == DB_NULL)
			continue;
		first = first == DB_NULL ? site->rss[i] : first;
		last = site->rss[i];
	}
	buf__printf(out, "#%-3zu FROM ", n + 1);
	amount__add(out, bytes_of(first), WIDTH, unit);
	buf__puts(out, "  TO ");
	amount__add(out, bytes_of(last), WIDTH, unit);
	if (site->site.owner) {
		buf__puts(out, "  OWNER ");
		text__show(out, site->site.owner);
	}
	buf__puts(out, "\n");
	for (size_t i = 0; i < site->site.n_frames; i++)
		frame__add_text(out, &site->site.frames[i]);
	buf__puts(out, "\n");
}

void timeline__encode_text(const struct timeline *t, const struct selection *selection,
			   const struct encode_options *options, struct buf *ret)
{
	add_heading(ret, selection);
	if (!t->n) {
		buf__puts(ret, "(nothing is known of this time)\n");
		return;
	}
	add_points(ret, t, options->unit);
	if (t->n_sites)
		buf__printf(ret, "\n=== Call Sites (%s) ===\n\n",
			    options->by_touch ? "touched by, sampled" : "mapped by");
	for (size_t i = 0; i < t->n_sites; i++)
		add_site(ret, t, i, options->unit);
}
