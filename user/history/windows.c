// SPDX-License-Identifier: BSD-2-Clause
#include "history/windows.h"

#include <errno.h>
#include <stdlib.h>

#include "util/arena.h"
#include "util/array.h"

int windows__read(sqlite3 *db, int64_t from_ms, int64_t to_ms, struct arena *arena,
		  struct windows *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	struct window *all = NULL;
	size_t n = 0, room = 0;
	int err = db__prepare(db,
			      "SELECT id, began, ended FROM span WHERE ended >= ?1 AND began <= ?2"
			      " AND began BETWEEN 0 AND ended AND ended <= 16725225600000"
			      " ORDER BY id",
			      &query);

	err = err ?: db__bind(query, (int64_t[]){from_ms, to_ms}, 2);
	while (!err && (err = db__next(query)) == 1) {
		err = array__grow(&all, &room, n, sizeof(*all));
		if (!err)
			all[n++] = (struct window){db__column(query, 0), db__column(query, 1),
						   db__column(query, 2)};
	}
	if (!err && all)
		err = arena__adopt(arena, all);
	if (err) {
		free(all);
		return err;
	}
	*ret = (struct windows){all, n};
	return 0;
}

int64_t window__moment(const struct window *window, int64_t at)
{
	int64_t length = window->ended - window->began;

	return window->began + (at < 0 ? 0 : at > length ? length : at);
}

const struct window *windows__at(const struct windows *windows, int64_t at_ms)
{
	for (size_t i = windows->n; i > 0; i--) {
		const struct window *window = &windows->all[i - 1];

		if (window->began <= at_ms && at_ms <= window->ended)
			return window;
	}
	return NULL;
}

/* Within one window. The last moment of what has not ended is the window's. */
static int known_in(sqlite3 *db, const struct window *window, int64_t series, int64_t ms, bool back,
		    int64_t *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int64_t limit = ms < window->began   ? window->began
			: ms > window->ended ? window->ended
					     : ms;
	int64_t last = DB_NULL;
	int err = db__prepare(db,
			      "SELECT at, rss FROM point WHERE span = ?1 AND series = ?2"
			      " ORDER BY at",
			      &query);

	*ret = DB_NULL;
	err = err ?: db__bind(query, (int64_t[]){window->id, series}, 2);
	while (!err && (err = db__next(query)) == 1) {
		int64_t at = window__moment(window, db__column(query, 0));
		bool known = db__column(query, 1) != DB_NULL;

		err = 0;
		if (at > limit && (back || last != DB_NULL))
			break;
		if (at > limit && known) {
			*ret = at;
			return 0;
		}
		/* A ms before its end it was still there. */
		if (!known && last != DB_NULL && back)
			*ret = at - 1;
		last = known ? at : DB_NULL;
	}
	if (!err && last != DB_NULL)
		*ret = limit;
	return err;
}

int windows__known_moment(sqlite3 *db, const struct windows *windows,
			  const struct selection *selection, int64_t ms, bool back, int64_t *ret)
{
	int64_t best = DB_NULL, found;
	int err;

	for (size_t i = 0; i < windows->n; i++) {
		const struct window *w = &windows->all[back ? windows->n - 1 - i : i];

		if (back ? w->began > ms : w->ended < ms)
			continue;
		for (size_t s = 0; s < selection->n; s++) {
			err = known_in(db, w, selection->series[s], ms, back, &found);
			if (err)
				return err;
			if (found != DB_NULL &&
			    (best == DB_NULL || (back ? found > best : found < best)))
				best = found;
		}
		if (best != DB_NULL)
			break;
	}
	*ret = best;
	return best == DB_NULL ? -ENODATA : 0;
}
