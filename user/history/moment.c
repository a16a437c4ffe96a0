// SPDX-License-Identifier: BSD-2-Clause
#include "history/moment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history/stacks.h"
#include "history/tally.h"
#include "history/windows.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define NS_PER_MS 1000000

static void free_tally(struct tally *tally)
{
	tally__free(tally);
}

/* --- what was known --------------------------------------------------------------------------- */

/* Of one series, added to what is known of others, or in its place. *ret_alive is set unless it had
 * ended. */
static int add_point(sqlite3 *db, const int64_t key[3], struct tally *sum, bool known,
		     bool *ret_alive)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	struct tally point = {};
	int err = db__prepare(db,
			      "SELECT rss, pss, swap FROM point WHERE span = ?1 AND series = ?2 AND"
			      " at <= ?3 ORDER BY at DESC LIMIT 1",
			      &query);

	err = err ?: db__bind(query, key, 3) ?: db__next(query);
	if (err <= 0 || db__column(query, 0) == DB_NULL)
		return err < 0 ? err : 0;
	for (int i = AMOUNT_RSS; i <= AMOUNT_SWAP; i++)
		point.amounts[i] = db__bytes(query, i);
	*ret_alive = true;
	if (known)
		return tally__add_all(sum, &point);
	memcpy(sum->amounts, point.amounts, sizeof(sum->amounts));
	return 0;
}

static int add_shares(sqlite3 *db, const int64_t key[3], struct tally *sum)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	/* SQLite takes rss from the row that has the largest at. */
	int err = db__prepare(db,
			      "SELECT of, what, rss, max(at) FROM share WHERE span = ?1 AND"
			      " series = ?2 AND at <= ?3 GROUP BY of, what",
			      &query);

	err = err ?: db__bind(query, key, 3);
	while (!err && (err = db__next(query)) == 1) {
		int64_t rss = db__bytes(query, 2);

		err = rss == DB_NULL
			      ? 0
			      : tally__add(sum, db__column(query, 0), db__column(query, 1), rss);
	}
	return err;
}

static int read_tally(sqlite3 *db, const struct selection *selection, const struct window *w,
		      int64_t at_ms, struct tally *ret)
{
	bool known = false;
	int err = 0;

	for (size_t i = 0; !err && i < selection->n; i++) {
		const int64_t key[] = {w->id, selection->series[i], at_ms - w->began};
		bool alive = false;

		err = add_point(db, key, ret, known, &alive);
		if (!err && alive)
			err = add_shares(db, key, ret);
		known |= alive;
	}
	tally__settle(ret);
	return err;
}

/* --- as a report ------------------------------------------------------------------------------ */

static uint64_t or_unknown(int64_t bytes)
{
	return bytes == DB_NULL ? UNKNOWN_BYTES : (uint64_t)bytes;
}

static int read_text(sqlite3 *db, int64_t id, struct arena *arena, const char **ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(db, "SELECT text FROM string WHERE id = ?1", &query);

	err = err ?: db__bind(query, &id, 1) ?: db__next(query);
	if (err < 0)
		return err;
	*ret = arena__strdup(arena, err ? (const char *)sqlite3_column_text(query, 0) ?: "?" : "?");
	return *ret ? 0 : -ENOMEM;
}

static int fill_sites(sqlite3 *db, const struct tally *tally, enum share_of of, struct saved *saved,
		      struct saved_sites *ret)
{
	uint64_t sum = 0;
	int err = 0;

	ret->complete = !(tally__share(tally, SHARE_TOTAL, TOTAL_LEFT_OUT) & 1 << of);
	ret->rows = arena__alloc(saved->arena, (tally->n + 1) * sizeof(*ret->rows));
	if (!ret->rows)
		return -ENOMEM;
	for (size_t i = 0; !err && i < tally->n; i++) {
		const struct share *share = &tally->shares[i];

		if (share->of != of || share->rss <= 0)
			continue;
		err = stacks__read(db, share->what, saved->arena, &ret->rows[ret->n]);
		ret->rows[ret->n++].rss = share->rss;
		sum += share->rss;
	}
	/* Shares may be a little older than the total. */
	if (ret->total < sum)
		ret->total = sum;
	return err;
}

static int fill_rows(sqlite3 *db, const struct tally *tally, enum share_of of, struct saved *saved,
		     struct saved_rows *ret)
{
	int err = 0;

	ret->complete = !(tally__share(tally, SHARE_TOTAL, TOTAL_LEFT_OUT) & 1 << of);
	ret->rows = arena__alloc(saved->arena, (tally->n + 1) * sizeof(*ret->rows));
	if (!ret->rows)
		return -ENOMEM;
	for (size_t i = 0; !err && i < tally->n; i++) {
		const struct share *share = &tally->shares[i];

		if (share->of != of || share->rss < 0)
			continue;
		ret->rows[ret->n].rss = share->rss;
		err = read_text(db, share->what, saved->arena, &ret->rows[ret->n++].name);
	}
	return err;
}

/* The processes of the node, by their comm. */
static int fill_processes(sqlite3 *db, const struct window *w, int64_t at_ms, struct saved *saved)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	struct saved_rows *rows = &saved->processes;
	struct saved_row *all = NULL;
	size_t room = 0;
	int err = db__prepare(db,
			      "SELECT t.text, (SELECT p.rss FROM point p WHERE p.span = ?1 AND"
			      " p.series = s.id AND p.at <= ?2 ORDER BY p.at DESC LIMIT 1)"
			      " FROM series s LEFT JOIN string t ON t.id = s.comm WHERE s.kind = 1"
			      " AND s.span >= ?1",
			      &query);

	err = err ?: db__bind(query, (int64_t[]){w->id, at_ms - w->began}, 2);
	while (!err && (err = db__next(query)) == 1) {
		const char *comm = (const char *)sqlite3_column_text(query, 0) ?: "?";
		int64_t rss = db__bytes(query, 1);

		err = rss == DB_NULL ? 0 : array__grow(&all, &room, rows->n, sizeof(*all));
		if (err || rss == DB_NULL)
			continue;
		all[rows->n] = (struct saved_row){arena__strdup(saved->arena, comm), rss};
		err = all[rows->n++].name ? 0 : -ENOMEM;
	}
	if (!err && all)
		err = arena__adopt(saved->arena, all);
	if (err)
		free(all);
	else
		rows->rows = all;
	rows->complete = true;
	return err;
}

static int fill(sqlite3 *db, const struct selection *selection, const struct window *w,
		int64_t at_ms, struct saved *saved)
{
	_cleanup_(free_tally) struct tally tally = {};
	char text[CLOCK_TEXT_LEN];
	int err = read_tally(db, selection, w, at_ms, &tally);

	if (err)
		return err;
	clock__format(at_ms * NS_PER_MS, text);
	saved->taken_at = arena__strdup(saved->arena, text);
	saved->comm = selection->comm ? arena__strdup(saved->arena, selection->comm) : NULL;
	if (!saved->taken_at || (selection->comm && !saved->comm))
		return -ENOMEM;
	saved->pid = selection->pid;
	saved->totals.rss = or_unknown(tally.amounts[AMOUNT_RSS]);
	saved->totals.pss = or_unknown(tally.amounts[AMOUNT_PSS]);
	saved->totals.swap = or_unknown(tally.amounts[AMOUNT_SWAP]);
	saved->totals.size = tally__share(&tally, SHARE_TOTAL, TOTAL_VIRTUAL);
	saved->totals.kinds = page_kinds_unknown;
	saved->sites.total = saved->totals.rss;
	saved->touched.total = tally__share(&tally, SHARE_TOTAL, TOTAL_TOUCHABLE);
	err = fill_sites(db, &tally, SHARE_MAP, saved, &saved->sites);
	err = err ?: fill_sites(db, &tally, SHARE_TOUCH, saved, &saved->touched);
	err = err ?: fill_rows(db, &tally, SHARE_NAME, saved, &saved->names);
	err = err ?: fill_rows(db, &tally, SHARE_CATEGORY, saved, &saved->categories);
	if (!err && selection->kind == SERIES_NODE)
		err = fill_processes(db, w, at_ms, saved);
	return err;
}

int moment__read(sqlite3 *db, const struct selection *selection, uint64_t at_ns, bool back,
		 struct saved **ret)
{
	struct saved *saved = calloc(1, sizeof(*saved));
	struct windows windows;
	int64_t at_ms = at_ns / NS_PER_MS;
	int err;

	if (!saved)
		return -ENOMEM;
	saved->arena = arena__new();
	/* All that may tell of it, however far off. */
	err = saved->arena ? windows__read(db, back ? 0 : at_ms, back ? at_ms : INT64_MAX,
					   saved->arena, &windows)
			   : -ENOMEM;
	err = err ?: windows__known_moment(db, &windows, selection, at_ms, back, &at_ms);
	err = err ?: fill(db, selection, windows__at(&windows, at_ms), at_ms, saved);
	if (err)
		saved__free(saved);
	else
		*ret = saved;
	return err;
}
