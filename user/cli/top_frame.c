// SPDX-License-Identifier: BSD-2-Clause
#include "cli/top_frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sparkline.h"
#include "report/amount.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PID_WIDTH    8
#define AMOUNT_WIDTH 8 /* and 3 for the unit */
#define AGE_WIDTH    5 /* and 2 for the unit */
#define NAME_ROOM    15

static void free_frame(struct top_frame **frame)
{
	top_frame__free(*frame);
}

void top_frame__free(struct top_frame *frame)
{
	if (!frame)
		return;
	json_decref(frame->tree);
	free(frame->rows);
	free(frame);
}

static int by_pid(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int read_row(const json_t *object, struct top_row *ret)
{
	const json_t *growth = json_object_get(object, "growth");

	*ret = (struct top_row){
		.pid = json_read__pid(object, "pid"),
		.comm = json_read__string(object, "comm") ?: "-",
		.rss = json_read__u64(object, "rss"),
		.pss = json_read__u64(object, "pss"),
		.swap = json_read__u64(object, "swap"),
		.hugetlb = json_read__u64(object, "hugetlb"),
		.growth_known = json_is_integer(growth),
		.growth = json_integer_value(growth),
		.age_ms = json_read__u64(object, "age_ms"),
		.trend = json_object_get(object, "trend"),
	};
	ret->first_rss = ret->rss;
	return ret->pid ? 0 : -EBADMSG;
}

static int read_rows(struct top_frame *frame, const json_t *list)
{
	size_t n = json_array_size(list);
	int err = 0;

	frame->rows = calloc(n + 1, sizeof(*frame->rows));
	if (!frame->rows)
		return -ENOMEM;
	for (; !err && frame->n < n; frame->n++) {
		struct top_row *row = &frame->rows[frame->n];

		err = read_row(json_array_get(list, frame->n), row);
		if (row->rss != UNKNOWN_BYTES)
			frame->rss += row->rss;
		frame->has_hugetlb |= row->hugetlb && row->hugetlb != UNKNOWN_BYTES;
	}
	qsort(frame->rows, frame->n, sizeof(*frame->rows), by_pid);
	return err;
}

int top_frame__parse(const char *text, size_t len, struct top_frame **ret,
		     char error[JSON_READ_ERROR_LEN])
{
	_cleanup_(free_frame) struct top_frame *frame = calloc(1, sizeof(*frame));
	const json_t *list;
	uint64_t unreadable;
	int err;

	snprintf(error, JSON_READ_ERROR_LEN, "out of memory");
	if (!frame)
		return -ENOMEM;
	frame->tree = json_read__parse(text, len, error);
	if (!frame->tree)
		return -EBADMSG;
	list = json_object_get(frame->tree, "processes");
	err = json_is_array(list) ? read_rows(frame, list) : -EBADMSG;
	if (err == -EBADMSG)
		snprintf(error, JSON_READ_ERROR_LEN, "it is not a list of processes");
	if (err)
		return err;
	frame->trend = json_object_get(json_object_get(frame->tree, "trend"), "node");
	frame->has_trends = frame->trend;
	unreadable = json_read__u64(frame->tree, "unreadable_processes");
	frame->unreadable = unreadable == UINT64_MAX ? 0 : unreadable;
	*ret = take_ptr(frame);
	return 0;
}

/* --- from frame to frame ---------------------------------------------------------------------- */

static const struct top_row *same_process(const struct top_frame *before, const struct top_row *row)
{
	const struct top_row *found =
		before ? bsearch(row, before->rows, before->n, sizeof(*row), by_pid) : NULL;

	return found && !strcmp(found->comm, row->comm) ? found : NULL;
}

void top_frame__compare(struct top_frame *frame, const struct top_frame *before)
{
	for (size_t i = 0; i < frame->n; i++) {
		struct top_row *row = &frame->rows[i];
		const struct top_row *old = same_process(before, row);
		bool known = old && row->rss != UNKNOWN_BYTES;

		row->first_rss = old && old->first_rss != UNKNOWN_BYTES ? old->first_rss : row->rss;
		row->change_known = known && old->rss != UNKNOWN_BYTES;
		row->change = row->change_known ? (int64_t)(row->rss - old->rss) : 0;
		if (row->growth_known || !known || row->first_rss == UNKNOWN_BYTES)
			continue;
		row->growth_known = true;
		row->growth = (int64_t)(row->rss - row->first_rss);
	}
}

/* --- which, and in what order ----------------------------------------------------------------- */

static bool matches(const struct top_row *row, const char *filter)
{
	char pid[16];

	if (!*filter || strcasestr(row->comm, filter))
		return true;
	snprintf(pid, sizeof(pid), "%d", row->pid);
	return !strncmp(pid, filter, strlen(filter));
}

struct order {
	enum top_sort sort;
	bool reverse;
};

/* Unknown amounts are less than any. */
static int compare_amounts(uint64_t x, uint64_t y)
{
	if (x == y)
		return 0;
	if (x == UNKNOWN_BYTES || y == UNKNOWN_BYTES)
		return x == UNKNOWN_BYTES ? -1 : 1;
	return x < y ? -1 : 1;
}

static int compare_changes(bool x_known, int64_t x, bool y_known, int64_t y)
{
	if (!x_known || !y_known)
		return x_known - y_known;
	return (x > y) - (x < y);
}

/* Below 0: x comes first. */
static int compare(const struct top_row *x, const struct top_row *y, enum top_sort sort)
{
	switch (sort) {
	case SORT_RSS:
		return -compare_amounts(x->rss, y->rss);
	case SORT_PSS:
		return -compare_amounts(x->pss, y->pss);
	case SORT_SWAP:
		return -compare_amounts(x->swap, y->swap);
	case SORT_CHANGE:
		return -compare_changes(x->change_known, x->change, y->change_known, y->change);
	case SORT_GROWTH:
		return -compare_changes(x->growth_known, x->growth, y->growth_known, y->growth);
	case SORT_NAME:
		return strcasecmp(x->comm, y->comm);
	case SORT_PID:
		break;
	}
	return by_pid(x, y);
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct top_row *x = *(const struct top_row *const *)a;
	const struct top_row *y = *(const struct top_row *const *)b;
	const struct order *order = ctx;
	int which = compare(x, y, order->sort);

	/* The larger first among those that grew as much, such as not at all. */
	if (!which)
		which = -compare_amounts(x->rss, y->rss);
	if (!which)
		which = by_pid(x, y);
	return order->reverse ? -which : which;
}

size_t top_frame__pick(const struct top_frame *frame, const char *filter, enum top_sort sort,
		       bool reverse, const struct top_row **ret)
{
	struct order order = {sort, reverse};
	size_t n = 0;

	for (size_t i = 0; i < frame->n; i++) {
		if (matches(&frame->rows[i], filter))
			ret[n++] = &frame->rows[i];
	}
	qsort_r(ret, n, sizeof(*ret), compare_rows, &order);
	return n;
}

/* --- as text ---------------------------------------------------------------------------------- */

bool top_frame__has_room(const struct top_frame *frame, int columns)
{
	int amounts = 5 + frame->has_hugetlb;

	return frame->has_trends && columns >= PID_WIDTH + amounts * (AMOUNT_WIDTH + 3) +
						       AGE_WIDTH + 2 + 2 + TOP_TREND + 2 +
						       NAME_ROOM;
}

void top_frame__headings(const struct top_frame *frame, enum top_sort sort,
			 const struct top_layout *layout, struct buf *ret)
{
	static const char *const names[] = {
		[SORT_PID] = "PID",   [SORT_RSS] = "RSS",	[SORT_PSS] = "PSS",
		[SORT_SWAP] = "SWAP", [SORT_CHANGE] = "CHANGE", [SORT_GROWTH] = "GROWTH",
		[SORT_NAME] = "NAME",
	};
	char name[16];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int width = i == SORT_PID ? PID_WIDTH : i == SORT_NAME ? 0 : AMOUNT_WIDTH + 3;

		snprintf(name, sizeof(name), "%s%s", i == sort ? "*" : "", names[i]);
		if (i == SORT_NAME)
			buf__printf(ret, "%*s  ", AGE_WIDTH + 2, "AGE");
		if (i == SORT_NAME && layout->trend)
			buf__printf(ret, "%-*s  ", TOP_TREND, "TREND");
		buf__printf(ret, "%*s", width, name);
		if (i == SORT_SWAP && frame && frame->has_hugetlb)
			buf__printf(ret, "%*s", width, "HUGETLB");
	}
}

static void add_change(struct buf *out, bool known, int64_t bytes, enum unit unit)
{
	if (known)
		amount__add_change(out, bytes, AMOUNT_WIDTH, unit);
	else
		buf__printf(out, "%*s", AMOUNT_WIDTH + 3, "-");
}

void top_frame__line(const struct top_frame *frame, const struct top_row *row,
		     const struct top_layout *layout, struct buf *ret)
{
	enum unit unit = layout->unit;

	buf__printf(ret, "%*d", PID_WIDTH, row->pid);
	amount__add(ret, row->rss, AMOUNT_WIDTH, unit);
	amount__add(ret, row->pss, AMOUNT_WIDTH, unit);
	amount__add(ret, row->swap, AMOUNT_WIDTH, unit);
	if (frame->has_hugetlb)
		amount__add(ret, row->hugetlb, AMOUNT_WIDTH, unit);
	add_change(ret, row->change_known, row->change, unit);
	add_change(ret, row->growth_known, row->growth, unit);
	age__add(ret, row->age_ms, AGE_WIDTH);
	buf__puts(ret, "  ");
	if (layout->trend) {
		sparkline__add(ret, row->trend, TOP_TREND);
		buf__puts(ret, "  ");
	}
	text__show(ret, row->comm);
}
