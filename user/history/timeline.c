// SPDX-License-Identifier: BSD-2-Clause
#include "history/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history/ages.h"
#include "history/stacks.h"
#include "history/windows.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/cleanup.h"

#define MS_PER_S  1000
#define NS_PER_MS 1000000

/* Amounts of call sites in one answer: 16 MiB. */
#define CELLS_MAX (2u << 20)

struct reading {
	sqlite3 *db;
	const struct selection *selection;
	const struct timeline_query *query;
	struct arena *arena;
	struct windows windows;
	int64_t *moments;	  /* ms since 1970, in order */
	const struct window **of; /* which window tells of each; NULL: none */
	size_t n;
};

/* --- the moments ------------------------------------------------------------------------------ */

/* Of what is asked for, as finely as all of it is kept, if that is not too much for an answer. */
static uint64_t step_of(const struct timeline_query *query)
{
	uint64_t length_s = (query->to_ns - query->from_ns) / (NS_PER_MS * MS_PER_S);
	int tier = TIERS - 1;

	if (query->step_s)
		return query->step_s;
	while (tier > 0 && length_s <= 2 * tiers[tier].after_s)
		tier--;
	return tiers[tier].step_s * (1 + length_s / tiers[tier].step_s / TIMELINE_MOMENTS_MAX);
}

static int by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The first and the last of which something is known may lie between two steps. */
static int add_ends(struct reading *r, int64_t from_ms, int64_t to_ms)
{
	int64_t at;

	for (int back = 0; back < 2; back++) {
		int err = windows__known_moment(r->db, &r->windows, r->selection,
						back ? to_ms : from_ms, back, &at);

		if (err == -ENODATA)
			continue;
		if (err)
			return err;
		if (at >= from_ms && at <= to_ms)
			r->moments[r->n++] = at;
	}
	return 0;
}

static int make_moments(struct reading *r, int64_t step_ms)
{
	int64_t from_ms = r->query->from_ns / NS_PER_MS, to_ms = r->query->to_ns / NS_PER_MS;
	int64_t first = (from_ms + step_ms - 1) / step_ms * step_ms;
	size_t n = 0;
	int err;

	if ((to_ms - from_ms) / step_ms > TIMELINE_MOMENTS_MAX)
		return -EDOM;
	r->moments = arena__alloc(r->arena, ((to_ms - from_ms) / step_ms + 4) * sizeof(int64_t));
	r->of = arena__alloc(r->arena, ((to_ms - from_ms) / step_ms + 4) * sizeof(*r->of));
	if (!r->moments || !r->of)
		return -ENOMEM;
	for (int64_t at = first; at <= to_ms; at += step_ms)
		r->moments[r->n++] = at;
	err = add_ends(r, from_ms, to_ms);
	if (err)
		return err;
	qsort(r->moments, r->n, sizeof(*r->moments), by_time);
	for (size_t i = 0; i < r->n; i++) {
		if (!n || r->moments[i] != r->moments[n - 1])
			r->moments[n++] = r->moments[i];
	}
	r->n = n;
	for (size_t i = 0; i < n; i++)
		r->of[i] = windows__at(&r->windows, r->moments[i]);
	return 0;
}

/* The first moment at or after a time. */
static size_t moment_from(const struct reading *r, int64_t at_ms)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->moments[mid] < at_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* --- points ----------------------------------------------------------------------------------- */

static void add_amounts(struct timeline_point *point, const int64_t amounts[AMOUNTS], bool first)
{
	for (int i = 0; i < AMOUNTS; i++) {
		if (first)
			point->amounts[i] = amounts[i];
		else if (point->amounts[i] == DB_NULL || amounts[i] == DB_NULL)
			point->amounts[i] = DB_NULL;
		else
			point->amounts[i] += amounts[i];
	}
}

/* What holds from one row to the next. */
static void fill_points(struct reading *r, const struct window *w, int64_t from_ms, int64_t end_ms,
			const int64_t amounts[AMOUNTS], struct timeline_point *points)
{
	if (amounts[AMOUNT_RSS] == DB_NULL)
		return;
	for (size_t i = moment_from(r, from_ms); i < r->n && r->moments[i] < end_ms; i++) {
		if (r->of[i] != w)
			continue;
		add_amounts(&points[i], amounts, !points[i].at_ms);
		points[i].at_ms = r->moments[i];
	}
}

static int read_points(struct reading *r, const struct window *w, sqlite3_stmt *query,
		       int64_t series, struct timeline_point *points)
{
	int64_t amounts[AMOUNTS] = {DB_NULL}, since = w->began;
	int err = db__bind(query, (int64_t[]){w->id, series}, 2);

	while (!err && (err = db__next(query)) == 1) {
		int64_t at = window__moment(w, db__column(query, 0));

		fill_points(r, w, since, at, amounts, points);
		for (int i = 0; i < AMOUNTS; i++)
			amounts[i] = db__bytes(query, 1 + i);
		since = at;
		err = 0;
	}
	fill_points(r, w, since, w->ended + 1, amounts, points);
	return err;
}

static int read_all_points(struct reading *r, struct timeline_point *points)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(r->db,
			      "SELECT at, rss, pss, swap, heap, stack, metadata, named, file,"
			      " anonymous, other FROM point WHERE span = ?1 AND series = ?2"
			      " ORDER BY at",
			      &query);

	for (size_t i = 0; !err && i < r->windows.n; i++) {
		for (size_t s = 0; !err && s < r->selection->n; s++)
			err = read_points(r, &r->windows.all[i], query, r->selection->series[s],
					  points);
	}
	return err;
}

/* --- call sites ------------------------------------------------------------------------------- */

struct candidate {
	int64_t site;
	int64_t most;
};

static int by_site(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->site > y->site) - (x->site < y->site);
}

static int by_most(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->most != y->most)
		return x->most < y->most ? 1 : -1;
	return by_site(a, b);
}

struct candidates {
	struct candidate *all;
	size_t n, room;
};

static void free_candidates(struct candidates *c)
{
	free(c->all);
}

static int add_candidates(struct reading *r, struct candidates *c)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(r->db,
			      "SELECT what, max(rss) FROM share WHERE span = ?1 AND series = ?2 AND"
			      " of = ?3 GROUP BY what",
			      &query);

	for (size_t i = 0; !err && i < r->windows.n * r->selection->n; i++) {
		const struct window *w = &r->windows.all[i / r->selection->n];
		int64_t series = r->selection->series[i % r->selection->n];

		err = db__bind(query, (int64_t[]){w->id, series, r->query->by_touch}, 3);
		while (!err && (err = db__next(query)) == 1) {
			err = array__grow(&c->all, &c->room, c->n, sizeof(*c->all));
			if (!err)
				c->all[c->n++] = (struct candidate){db__column(query, 0),
								    db__bytes(query, 1)};
		}
	}
	return err;
}

/* Those with the most at any time, in order of their number. */
static int find_candidates(struct reading *r, size_t top, struct candidates *c)
{
	size_t n = 0;
	int err = add_candidates(r, c);

	if (err || !c->n)
		return err;
	qsort(c->all, c->n, sizeof(*c->all), by_site);
	for (size_t i = 0; i < c->n; i++) {
		if (n && c->all[n - 1].site == c->all[i].site) {
			if (c->all[i].most > c->all[n - 1].most)
				c->all[n - 1].most = c->all[i].most;
		} else {
			c->all[n++] = c->all[i];
		}
	}
	qsort(c->all, n, sizeof(*c->all), by_most);
	if (top > CELLS_MAX / (r->n + 1))
		top = CELLS_MAX / (r->n + 1);
	c->n = n < top ? n : top;
	return 0;
}

static void fill_cells(struct reading *r, const struct window *w, int64_t from_ms, int64_t end_ms,
		       int64_t rss, int64_t *cells)
{
	if (rss == DB_NULL)
		return;
	for (size_t i = moment_from(r, from_ms); i < r->n && r->moments[i] < end_ms; i++) {
		if (r->of[i] == w)
			cells[i] = (cells[i] == DB_NULL ? 0 : cells[i]) + rss;
	}
}

/* Rows of all call sites of a series, each after the other; `of` is where those that are wanted
 * have theirs. */
static int read_cells(struct reading *r, const struct window *w, sqlite3_stmt *query,
		      int64_t series, const struct candidates *wanted, struct timeline_site *of)
{
	int64_t rss = DB_NULL, since = w->began;
	const struct candidate *now = NULL;
	int err = db__bind(query, (int64_t[]){w->id, series, r->query->by_touch}, 3);

	while (!err && (err = db__next(query)) == 1) {
		const struct candidate like = {.site = db__column(query, 0)};
		int64_t at = window__moment(w, db__column(query, 1));

		if (now && now->site == like.site) {
			fill_cells(r, w, since, at, rss, of[now - wanted->all].rss);
		} else {
			if (now)
				fill_cells(r, w, since, w->ended + 1, rss,
					   of[now - wanted->all].rss);
			now = bsearch(&like, wanted->all, wanted->n, sizeof(like), by_site);
		}
		rss = db__bytes(query, 2);
		since = at;
		err = 0;
	}
	if (now)
		fill_cells(r, w, since, w->ended + 1, rss, of[now - wanted->all].rss);
	return err;
}

static int begin_site(struct reading *r, const struct candidate *candidate,
		      struct timeline_site *ret)
{
	ret->most = candidate->most;
	ret->rss = arena__alloc(r->arena, (r->n + 1) * sizeof(*ret->rss));
	if (!ret->rss)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		ret->rss[i] = DB_NULL;
	return stacks__read(r->db, candidate->site, r->arena, &ret->site);
}

static int by_most_of_sites(const void *a, const void *b)
{
	const struct timeline_site *x = a, *y = b;

	return (x->most < y->most) - (x->most > y->most);
}

static int read_sites(struct reading *r, struct timeline *ret)
{
	_cleanup_(free_candidates) struct candidates candidates = {};
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = find_candidates(r, r->query->top, &candidates);

	err = err
		      ?: db__prepare(
				 r->db,
				 "SELECT what, at, rss FROM share WHERE span = ?1 AND series = ?2"
				 " AND of = ?3 ORDER BY what, at",
				 &query);
	if (err || !candidates.n)
		return err;
	ret->sites = arena__alloc(r->arena, candidates.n * sizeof(*ret->sites));
	if (!ret->sites)
		return -ENOMEM;
	qsort(candidates.all, candidates.n, sizeof(*candidates.all), by_site);
	for (size_t i = 0; !err && i < candidates.n; i++)
		err = begin_site(r, &candidates.all[i], &ret->sites[ret->n_sites++]);
	for (size_t i = 0; !err && i < r->windows.n; i++) {
		for (size_t s = 0; !err && s < r->selection->n; s++)
			err = read_cells(r, &r->windows.all[i], query, r->selection->series[s],
					 &candidates, ret->sites);
	}
	qsort(ret->sites, ret->n_sites, sizeof(*ret->sites), by_most_of_sites);
	return err;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Moments of which nothing is known go. A process that is gone has no call sites either. */
static void drop_unknown(struct reading *r, struct timeline *t)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (!t->points[i].at_ms)
			continue;
		t->points[n] = t->points[i];
		for (size_t s = 0; s < t->n_sites; s++)
			t->sites[s].rss[n] = t->sites[s].rss[i];
		n++;
	}
	t->n = n;
}

int timeline__read(sqlite3 *db, const struct selection *selection,
		   const struct timeline_query *query, struct arena *arena, struct timeline *ret)
{
	struct reading r = {.db = db, .selection = selection, .query = query, .arena = arena};
	struct timeline timeline = {.step_s = step_of(query)};
	int err = windows__read(db, query->from_ns / NS_PER_MS, query->to_ns / NS_PER_MS, arena,
				&r.windows);

	err = err ?: make_moments(&r, timeline.step_s * MS_PER_S);
	if (err)
		return err;
	timeline.points = arena__alloc(arena, (r.n + 1) * sizeof(*timeline.points));
	if (!timeline.points)
		return -ENOMEM;
	err = read_all_points(&r, timeline.points) ?: read_sites(&r, &timeline);
	if (err)
		return err;
	drop_unknown(&r, &timeline);
	*ret = timeline;
	return 0;
}
