// SPDX-License-Identifier: BSD-2-Clause
#include "history/trends.h"

#include <errno.h>

#include "history/windows.h"
#include "report/report.h"
#include "util/arena.h"
#include "util/cleanup.h"

#define MS_PER_S  1000
#define NS_PER_MS 1000000

struct reading {
	sqlite3 *db;
	const struct trends_query *query;
	struct arena *arena;
	struct windows windows;
	int64_t from_ms, to_ms, boot;
	sqlite3_stmt *find, *points;
};

static void end_reading(struct reading *r)
{
	sqlite3_finalize(r->find);
	sqlite3_finalize(r->points);
}

static size_t part_of(const struct reading *r, int64_t at_ms)
{
	size_t part = (at_ms - r->from_ms) * (int64_t)r->query->n / (TRENDS_LENGTH_S * MS_PER_S);

	return part < r->query->n ? part : r->query->n - 1;
}

/* What holds from one row to the next. */
static void fill(const struct reading *r, int64_t from_ms, int64_t end_ms, int64_t rss,
		 uint64_t *trend)
{
	if (from_ms < r->from_ms)
		from_ms = r->from_ms;
	if (end_ms > r->to_ms + 1)
		end_ms = r->to_ms + 1;
	if (rss == DB_NULL || from_ms >= end_ms)
		return;
	for (size_t i = part_of(r, from_ms); i <= part_of(r, end_ms - 1); i++) {
		if (trend[i] == UNKNOWN_BYTES || trend[i] < (uint64_t)rss)
			trend[i] = rss;
	}
}

static int read_window(const struct reading *r, const struct window *w, int64_t series,
		       uint64_t *trend)
{
	int64_t rss = DB_NULL, since = w->began;
	int err = db__bind(r->points, (int64_t[]){w->id, series}, 2);

	while (!err && (err = db__next(r->points)) == 1) {
		int64_t at = window__moment(w, db__column(r->points, 0));

		fill(r, since, at, rss, trend);
		rss = db__bytes(r->points, 1);
		since = at;
		err = 0;
	}
	fill(r, since, w->ended + 1, rss, trend);
	return err;
}

static int read_series(const struct reading *r, int64_t series, const uint64_t **ret)
{
	uint64_t *trend = arena__alloc(r->arena, r->query->n * sizeof(*trend));
	int err = 0;

	if (!trend)
		return -ENOMEM;
	for (size_t i = 0; i < r->query->n; i++)
		trend[i] = UNKNOWN_BYTES;
	for (size_t i = 0; !err && i < r->windows.n; i++)
		err = read_window(r, &r->windows.all[i], series, trend);
	*ret = trend;
	return err;
}

static int read_row(const struct reading *r, struct process_row *row)
{
	const struct trends_query *query = r->query;
	int64_t ids[] = {row->pid, row->start_ticks, r->boot}, series = DB_NULL;
	int err = db__bind(r->find, ids, 3);

	err = err ?: db__next(r->find);
	if (err != 1)
		return err;
	if (query->all || (db__column(r->find, 1) == (int64_t)query->uid &&
			   db__column(r->find, 2) == (int64_t)query->gid))
		series = db__column(r->find, 0);
	sqlite3_reset(r->find);
	return series == DB_NULL ? 0 : read_series(r, series, &row->trend);
}

static int read_node(const struct reading *r, const uint64_t **ret)
{
	int64_t series = DB_NULL;
	int err = db__get_of(r->db, "SELECT id FROM series WHERE kind = 0", &series);

	return err || series == DB_NULL ? err : read_series(r, series, ret);
}

static int begin_reading(struct reading *r)
{
	_cleanup_statement_ sqlite3_stmt *boot = NULL;
	int err = windows__read(r->db, r->from_ms, r->to_ms, r->arena, &r->windows);

	err = err ?: db__prepare(r->db, "SELECT id FROM string WHERE text = ?1", &boot);
	err = err ?: db__bind_text(boot, 1, r->query->boot) ?: db__get(boot, &r->boot);
	err = err
		      ?: db__prepare(r->db,
				     "SELECT id, uid, gid FROM series WHERE kind = 1 AND pid = ?1"
				     " AND ticks = ?2 AND boot = ?3 AND container = 0",
				     &r->find);
	return err
		       ?: db__prepare(r->db,
				      "SELECT at, rss FROM point WHERE span = ?1 AND series = ?2"
				      " ORDER BY at",
				      &r->points);
}

int trends__read(sqlite3 *db, const struct trends_query *query, struct report *report)
{
	_cleanup_(end_reading) struct reading r = {
		.db = db,
		.query = query,
		.arena = report->strings,
		.to_ms = query->to_ns / NS_PER_MS,
		.from_ms = query->to_ns / NS_PER_MS - TRENDS_LENGTH_S * MS_PER_S,
		.boot = DB_NULL,
	};
	int err = begin_reading(&r);

	if (!err && query->all)
		err = read_node(&r, &report->trends.node);
	for (size_t i = 0; !err && i < report->n_processes && i < query->rows; i++)
		err = read_row(&r, &report->processes[i]);
	return err;
}
