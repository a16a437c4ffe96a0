// SPDX-License-Identifier: BSD-2-Clause
#include "history/ages.h"

#include <errno.h>

#include "history/store.h"
#include "history/words.h"

#define MS_PER_S 1000

/* Rows of so many series are deleted in one transaction: the log stays small. */
#define SERIES_AT_ONCE 64

/* As few pages are left free for what is written next. */
#define SPARE_PART 16

const struct tier tiers[TIERS] = {
	{0, 10},
	{3600, 60},
	{24 * 3600, 600},
};

/*
 * Of each step the last row stays, which is what was at its end, and the first of all, which is
 * what the span begins with. ?1: span, ?2: step in ms, ?3: its begin, ?4, ?5: series.
 */
#define THIN(table, same)                                                                          \
	"DELETE FROM " table " AS r WHERE span = ?1 AND series BETWEEN ?4 AND ?5 AND EXISTS("      \
	"SELECT 1 FROM " table " AS n WHERE n.span = r.span AND n.series = r.series" same          \
	" AND n.at > r.at AND n.at < ((?3 + r.at) / ?2 + 1) * ?2 - ?3) AND EXISTS("                \
	"SELECT 1 FROM " table " AS n WHERE n.span = r.span AND n.series = r.series" same          \
	" AND n.at < r.at)"

static const char *const thinning[] = {
	THIN("point", ""),
	THIN("share", " AND n.of = r.of AND n.what = r.what"),
};

static const char *const deleting[] = {
	"DELETE FROM point WHERE span = ?1 AND series BETWEEN ?4 AND ?5",
	"DELETE FROM share WHERE span = ?1 AND series BETWEEN ?4 AND ?5",
};

struct span {
	int64_t id;
	int64_t began;
	int64_t step;
};

/* Runs the two statements on a span's rows, some series after others. */
static int on_rows(struct store *store, const char *const sql[2], const struct span *span,
		   int64_t step_ms)
{
	_cleanup_statement_ sqlite3_stmt *points = NULL, *shares = NULL;
	int64_t last = 0;
	int err = db__get_of(store->db, "SELECT max(id) FROM series", &last);

	err = err ?: db__prepare(store->db, sql[0], &points);
	err = err ?: db__prepare(store->db, sql[1], &shares);
	for (int64_t from = 0; !err && from <= last; from += SERIES_AT_ONCE) {
		const int64_t values[] = {span->id, step_ms, span->began, from,
					  from + SERIES_AT_ONCE - 1};
		int n = sqlite3_bind_parameter_count(points);

		err = store__begin(store);
		err = err ?: db__run(points, values, n) ?: db__run(shares, values, n);
		err = err ?: store__commit(store);
	}
	if (err)
		store__rollback(store);
	return err;
}

static int thin(struct store *store, const struct span *span, int64_t step_s)
{
	_cleanup_statement_ sqlite3_stmt *mark = NULL;
	int err = on_rows(store, thinning, span, step_s * MS_PER_S);

	err = err ?: db__prepare(store->db, "UPDATE span SET step = ?2 WHERE id = ?1", &mark);
	return err ?: db__run_with(mark, span->id, step_s);
}

static int delete_span(struct store *store, struct words *words, const struct span *span)
{
	_cleanup_statement_ sqlite3_stmt *remove = NULL;
	int64_t oldest = 0;
	int err = on_rows(store, deleting, span, 0);

	err = err ?: db__prepare(store->db, "DELETE FROM span WHERE id = ?1", &remove);
	err = err ?: db__run(remove, &span->id, 1);
	err = err ?: db__get_of(store->db, "SELECT min(id) FROM span", &oldest);
	if (err || oldest == DB_NULL)
		return err;
	words__forget(words);
	err = store__begin(store);
	err = err ?: words__collect(store, oldest) ?: store__commit(store);
	if (err)
		store__rollback(store);
	return err;
}

/* The first span of a query; false in *ret_found: there is none. */
static int find(struct store *store, const char *sql, const int64_t values[2], struct span *ret,
		bool *ret_found)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(store->db, sql, &query);

	*ret_found = false;
	err = err ?: db__bind(query, values, 2) ?: db__next(query);
	if (err <= 0)
		return err;
	*ret = (struct span){db__column(query, 0), db__column(query, 1), db__column(query, 2)};
	*ret_found = true;
	return 0;
}

int ages__advance(struct store *store, struct words *words, int64_t now_ms, uint64_t keep_s,
		  int64_t current)
{
	struct span span;
	bool found;
	int err = find(store,
		       "SELECT id, began, step FROM span WHERE id <> ?1 AND ended < ?2"
		       " ORDER BY id LIMIT 1",
		       (int64_t[]){current, now_ms - (int64_t)keep_s * MS_PER_S}, &span, &found);

	if (!err && found)
		err = delete_span(store, words, &span);
	for (int i = TIERS - 1; !err && i > 0; i--) {
		char sql[128];

		sqlite3_snprintf(sizeof(sql), sql,
				 "SELECT id, began, step FROM span WHERE id <> ?1 AND ended < ?2"
				 " AND step < %d ORDER BY id LIMIT 1",
				 (int)tiers[i].step_s);
		err = find(store, sql,
			   (int64_t[]){current, now_ms - (int64_t)tiers[i].after_s * MS_PER_S},
			   &span, &found);
		if (!err && found)
			err = thin(store, &span, tiers[i].step_s);
	}
	return err;
}

/* The oldest of the finest tier that there is; of the coarsest it goes whole. */
static int make_room(struct store *store, struct words *words, int64_t current, bool *ret_found)
{
	struct span span;
	size_t tier = 0;
	int err = find(store,
		       "SELECT id, began, step FROM span WHERE id <> ?1 AND id > ?2"
		       " ORDER BY step, id LIMIT 1",
		       (int64_t[]){current, 0}, &span, ret_found);

	if (err || !*ret_found)
		return err;
	while (tier < TIERS && (int64_t)tiers[tier].step_s <= span.step)
		tier++;
	return tier < TIERS ? thin(store, &span, tiers[tier].step_s)
			    : delete_span(store, words, &span);
}

int ages__fit(struct store *store, struct words *words, int64_t current)
{
	uint64_t most = store->max_pages - store->max_pages / SPARE_PART, used;
	bool found;
	int err = store__used_pages(store, &used);

	while (!err && used > most) {
		err = make_room(store, words, current, &found);
		if (!err && !found)
			return -ENOSPC;
		err = err ?: store__used_pages(store, &used);
	}
	return err;
}
