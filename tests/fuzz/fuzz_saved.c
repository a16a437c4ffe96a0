// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a saved report, and as a list of processes for `top`. A report that is accepted adds
 * up, so do its differences to itself and to a half of it, and what is written of them is a line of
 * JSON and harmless text.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "diff/diff_encode.h"
#include "cli/top_frame.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_error(const char *error)
{
	check(*error);
	for (; *error; error++)
		check(*error >= ' ' && *error <= '~');
}

static void check_list(const struct diff_list *list, uint64_t a, uint64_t b)
{
	uint64_t sum_a = list->rest_a, sum_b = list->rest_b;

	check(sum_a <= a && sum_b <= b);
	for (size_t i = 0; i < list->n; i++) {
		const struct diff_row *row = &list->rows[i];

		check(row->in_a || row->in_b);
		check(!i || diff_row__growth(row) <= diff_row__growth(row - 1));
		sum_a += row->a;
		sum_b += row->b;
	}
	check(sum_a == a && sum_b == b);
}

static void check_difference(const struct saved *a, const struct saved *b)
{
	static const char *const files[] = {"a", "b"};
	struct diff_options options = {.files = files, .top = 2};
	_cleanup_buf_ struct buf text = {}, json = {};
	struct difference *d;

	check(!difference__new(a, b, &d));
	check_list(&d->sites, a->totals.rss, b->totals.rss);
	check_list(&d->names, a->totals.rss, b->totals.rss);
	check_list(&d->categories, a->totals.rss, b->totals.rss);
	check_list(&d->processes, a->totals.rss, b->totals.rss);
	check(!d->categories.rest_a && !d->categories.rest_b);
	for (size_t i = 0; a == b && i < d->sites.n; i++)
		check(d->sites.rows[i].change == CHANGE_SAME);
	diff_encode__text(d, &options, &text);
	options.all = true;
	diff_encode__json(d, &options, &json);
	check(!buf__error(&text) && !buf__error(&json));
	check(strlen(text.data) == text.len && strlen(json.data) == json.len);
	for (size_t i = 0; i < text.len; i++)
		check(text.data[i] == '\n' || (text.data[i] & 0xe0));
	check(!memchr(json.data, '\n', json.len - 1));
	difference__free(d);
}

static void check_saved(const char *text, size_t size)
{
	char error[SAVED_ERROR_LEN];
	struct saved *saved, half;
	int err = saved__parse(text, size, &saved, error);

	if (err) {
		check(err == -EINVAL || err == -ENOMEM);
		check_error(error);
		return;
	}
	check_difference(saved, saved);
	half = *saved; /* without its call sites and names */
	half.sites.n = half.touched.n = half.names.n = half.processes.n = 0;
	check_difference(&half, saved);
	check_difference(saved, &half);
	saved__free(saved);
}

static void check_frame(const char *text, size_t size)
{
	char error[JSON_READ_ERROR_LEN];
	struct top_frame *frame;

	if (top_frame__parse(text, size, &frame, error)) {
		check_error(error);
		return;
	}
	_cleanup_free_ const struct top_row **rows = calloc(frame->n + 1, sizeof(*rows));
	_cleanup_buf_ struct buf line = {};

	check(rows);
	top_frame__compare(frame, frame);
	for (int sort = SORT_PID; sort <= SORT_NAME; sort++)
		check(top_frame__pick(frame, "", sort, sort & 1, rows) == frame->n);
	for (size_t i = 0; i < frame->n; i++)
		top_frame__line(frame, rows[i], &(struct top_layout){.trend = true}, &line);
	for (size_t i = 0; i < line.len; i++)
		check(line.data[i] & 0xe0);
	top_frame__free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_saved((const char *)data, size);
	check_frame((const char *)data, size);
	return 0;
}
