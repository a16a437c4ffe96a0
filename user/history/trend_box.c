// SPDX-License-Identifier: BSD-2-Clause
#include "history/trend_box.h"

#include <stdlib.h>

#include "util/cleanup.h"

void trend_entry__free(struct trend_entry *entry)
{
	if (!entry)
		return;
	buf__free(&entry->name);
	buf__free(&entry->container);
	buf__free(&entry->value);
	free(entry);
}

void trend_set__free(struct trend_set *set)
{
	struct trend_entry *entry;

	while ((entry = STAILQ_FIRST(set))) {
		STAILQ_REMOVE_HEAD(set, entry);
		trend_entry__free(entry);
	}
}

void trend_box__init(struct trend_box *box)
{
	pthread_mutex_init(&box->lock, NULL);
	STAILQ_INIT(&box->waiting);
	STAILQ_INIT(&box->taken);
}

void trend_box__free(struct trend_box *box)
{
	trend_set__free(&box->waiting);
	trend_set__free(&box->taken);
	pthread_mutex_destroy(&box->lock);
}

void trend_box__put(struct trend_box *box, struct trend_set *set)
{
	pthread_mutex_lock(&box->lock);
	trend_set__free(&box->waiting);
	STAILQ_CONCAT(&box->waiting, set);
	box->waits = true;
	pthread_mutex_unlock(&box->lock);
}

void trend_box__take(struct trend_box *box)
{
	pthread_mutex_lock(&box->lock);
	if (box->waits) {
		trend_set__free(&box->taken);
		STAILQ_CONCAT(&box->taken, &box->waiting);
		box->has_taken = true;
		box->waits = false;
	}
	pthread_mutex_unlock(&box->lock);
}

void trend_box__let_go(struct trend_box *box)
{
	trend_set__free(&box->taken);
	box->has_taken = false;
}

/* --- in the store ----------------------------------------------------------------------------- */

static int write_one(struct store *store, const struct trend_entry *entry, const char *boot)
{
	sqlite3_stmt *put = store->statements[PUT_TREND];
	int err = db__bind(put, (int64_t[]){entry->offset}, 1);

	err = err ?: db__bind_text(put, 2, boot);
	err = err ?: db__bind_text(put, 3, entry->name.data ?: "");
	err = err ?: db__bind_text(put, 4, entry->container.data ?: "");
	err = err
		      ?: db__errno(store->db,
				   sqlite3_bind_blob(put, 5, entry->value.data,
						     (int)entry->value.len, SQLITE_STATIC));
	return err ?: db__run(put, NULL, 0);
}

int trend_box__write(struct store *store, const struct trend_box *box, const char *boot)
{
	const struct trend_entry *entry;
	int err;

	if (!box->has_taken)
		return 0;
	err = db__run(store->statements[DROP_TRENDS], NULL, 0);
	STAILQ_FOREACH(entry, &box->taken, entry)
	err = err ?: write_one(store, entry, boot);
	return err;
}

static void add_column(struct buf *buf, sqlite3_stmt *query, int column)
{
	const void *bytes = sqlite3_column_blob(query, column);

	buf__add(buf, bytes ?: "", sqlite3_column_bytes(query, column));
}

static int read_one(sqlite3_stmt *query, trend_visit_fn *visit, void *ctx)
{
	struct trend_entry entry = {.offset = sqlite3_column_int64(query, 0)};
	int err;

	add_column(&entry.name, query, 1);
	add_column(&entry.container, query, 2);
	add_column(&entry.value, query, 3);
	err = buf__error(&entry.name) ?: buf__error(&entry.container) ?: buf__error(&entry.value);
	if (!err)
		visit(&entry, ctx);
	buf__free(&entry.name);
	buf__free(&entry.container);
	buf__free(&entry.value);
	return err;
}

int trend_box__each(sqlite3 *db, const char *boot, trend_visit_fn *visit, void *ctx)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(
		db, "SELECT offset, name, container, value FROM trend WHERE boot = ?1", &query);
	int more = err;

	err = err ?: db__bind_text(query, 1, boot);
	while (!err && (more = db__next(query)) > 0)
		err = read_one(query, visit, ctx);
	return err ?: more;
}
