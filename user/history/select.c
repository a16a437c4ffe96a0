// SPDX-License-Identifier: BSD-2-Clause
#include "history/select.h"

#include <errno.h>
#include <string.h>

#include "util/arena.h"
#include "util/clock.h"

/* Start times are computed from the clock, which is adjusted. */
#define SAME_START_NS NSEC_PER_SEC

static int add(struct selection *selection, int64_t series)
{
	if (selection->n == SELECTION_MAX)
		return -E2BIG;
	selection->series[selection->n++] = series;
	return 0;
}

/* Every row is one series more. */
static int add_rows(sqlite3_stmt *query, struct selection *ret)
{
	int err;

	while ((err = db__next(query)) == 1) {
		err = add(ret, db__column(query, 0));
		if (err)
			return err;
	}
	return err < 0 ? err : ret->n ? 0 : -ESRCH;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static int fill_process(sqlite3_stmt *row, struct arena *arena, struct selection *ret)
{
	const char *comm = (const char *)sqlite3_column_text(row, 3);
	int64_t started = db__column(row, 2), uid = db__column(row, 4), gid = db__column(row, 5);

	ret->n = 0;
	ret->start_ticks = db__column(row, 1);
	ret->started = started > 0 ? started : 0;
	ret->comm = comm ? arena__strdup(arena, comm) : NULL;
	ret->owner = (struct observed_owner){};
	if (uid >= 0 && uid < UINT32_MAX && gid >= 0 && gid < UINT32_MAX)
		ret->owner = (struct observed_owner){true, uid, gid};
	if (comm && !ret->comm)
		return -ENOMEM;
	return add(ret, db__column(row, 0));
}

static int find_process(sqlite3 *db, const struct history_selector *selector, struct arena *arena,
			struct selection *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	uint64_t nearest = UINT64_MAX, distance;
	int err = db__prepare(db,
			      "SELECT s.id, s.ticks, s.started, t.text, s.uid, s.gid FROM series s"
			      " LEFT JOIN string t ON t.id = s.comm WHERE s.kind = 1 AND s.pid = ?1"
			      " ORDER BY s.started DESC, s.id DESC",
			      &query);

	ret->kind = SERIES_PROCESS;
	ret->pid = selector->pid;
	err = err ?: db__bind(query, (int64_t[]){selector->pid}, 1);
	while (!err && (err = db__next(query)) == 1) {
		err = 0;
		distance = selector->started ? apart(selector->started, db__column(query, 2)) : 0;
		if (distance >= nearest || distance > SAME_START_NS)
			continue;
		nearest = distance;
		err = fill_process(query, arena, ret);
	}
	return err ?: ret->n ? 0 : -ESRCH;
}

static int find_container(sqlite3 *db, const char *id, struct selection *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(db,
			      "SELECT s.id FROM series s JOIN string t ON t.id = s.container"
			      " WHERE s.kind = 2 AND substr(t.text, 1, length(?1)) = ?1",
			      &query);

	ret->kind = SERIES_CONTAINER;
	err = err ?: db__bind_text(query, 1, id) ?: add_rows(query, ret);
	return err ?: ret->n > 1 ? -ENOTUNIQ : 0;
}

static int find_pod(sqlite3 *db, const struct history_selector *selector, struct selection *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(db,
			      "SELECT id FROM series WHERE kind = 2"
			      " AND namespace = (SELECT id FROM string WHERE text = ?1)"
			      " AND pod = (SELECT id FROM string WHERE text = ?2)"
			      " ORDER BY id DESC",
			      &query);

	ret->kind = SERIES_CONTAINER;
	err = err ?: db__bind_text(query, 1, selector->namespace);
	err = err ?: db__bind_text(query, 2, selector->pod) ?: add_rows(query, ret);
	/* Of a pod that has lived so long the newest do. */
	return err == -E2BIG ? 0 : err;
}

static int find_node(sqlite3 *db, struct selection *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(db, "SELECT id FROM series WHERE kind = 0", &query);

	ret->kind = SERIES_NODE;
	return err ?: add_rows(query, ret);
}

int selection__find(sqlite3 *db, const struct history_selector *selector, struct arena *arena,
		    struct selection *ret)
{
	*ret = (struct selection){};
	if (selector->pid)
		return find_process(db, selector, arena, ret);
	if (selector->container)
		return find_container(db, selector->container, ret);
	if (selector->pod)
		return find_pod(db, selector, ret);
	return find_node(db, ret);
}
