// SPDX-License-Identifier: BSD-2-Clause
#include "history/kills.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

static void free_entry(struct kill_entry *entry)
{
	for (size_t i = 0; entry && i < KILL_TEXTS; i++)
		buf__free(&entry->texts[i]);
	free(entry);
}

static struct kill_entry *new_entry(uint64_t id, int64_t uid, const struct buf texts[KILL_TEXTS])
{
	struct kill_entry *entry = calloc(1, sizeof(*entry));
	int err = entry ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < KILL_TEXTS; i++) {
		buf__add(&entry->texts[i], texts[i].data ?: "", texts[i].len);
		err = buf__error(&entry->texts[i]);
	}
	if (err) {
		free_entry(entry);
		return NULL;
	}
	entry->id = id;
	entry->uid = uid;
	return entry;
}

static void free_queue(struct kill_queue *queue)
{
	struct kill_entry *entry;

	while ((entry = STAILQ_FIRST(queue))) {
		STAILQ_REMOVE_HEAD(queue, entry);
		free_entry(entry);
	}
}

void kill_box__init(struct kill_box *box)
{
	pthread_mutex_init(&box->lock, NULL);
	STAILQ_INIT(&box->waiting);
	STAILQ_INIT(&box->taken);
}

void kill_box__free(struct kill_box *box)
{
	free_queue(&box->waiting);
	free_queue(&box->taken);
	pthread_mutex_destroy(&box->lock);
}

int kill_box__put(struct kill_box *box, uint64_t id, int64_t uid,
		  const struct buf texts[KILL_TEXTS])
{
	struct kill_entry *entry = new_entry(id, uid, texts);
	bool full;

	if (!entry)
		return -ENOMEM;
	pthread_mutex_lock(&box->lock);
	full = box->n >= KILLS_KEPT;
	if (!full) {
		STAILQ_INSERT_TAIL(&box->waiting, entry, entry);
		box->n++;
	}
	pthread_mutex_unlock(&box->lock);
	if (full)
		free_entry(entry);
	return full ? -ENOBUFS : 0;
}

void kill_box__take(struct kill_box *box)
{
	pthread_mutex_lock(&box->lock);
	STAILQ_CONCAT(&box->taken, &box->waiting);
	pthread_mutex_unlock(&box->lock);
}

void kill_box__let_go(struct kill_box *box)
{
	struct kill_entry *entry;

	free_queue(&box->taken);
	pthread_mutex_lock(&box->lock);
	box->n = 0;
	STAILQ_FOREACH(entry, &box->waiting, entry)
	box->n++;
	pthread_mutex_unlock(&box->lock);
}

/* --- in the store ----------------------------------------------------------------------------- */

static int write_one(struct store *store, const struct kill_entry *entry)
{
	sqlite3_stmt *put = store->statements[PUT_KILL];
	int err = db__bind(put, (int64_t[]){(int64_t)entry->id, entry->uid}, 2);

	for (int i = 0; !err && i < KILL_TEXTS; i++)
		err = db__errno(store->db,
				sqlite3_bind_text(put, 3 + i, entry->texts[i].data,
						  (int)entry->texts[i].len, SQLITE_TRANSIENT));
	return err ?: db__run(put, NULL, 0);
}

int kills__write(struct store *store, const struct kill_box *box)
{
	const struct kill_entry *entry;
	int err = 0;

	STAILQ_FOREACH(entry, &box->taken, entry)
	{
		err = write_one(store, entry);
		err = err
			      ?: db__run_with(store->statements[DROP_KILLS],
					      (int64_t)entry->id - KILLS_KEPT);
		if (err)
			return err;
	}
	return 0;
}

static int read_one(sqlite3_stmt *query, kill_visit_fn *visit, void *ctx)
{
	struct kill_entry entry = {.id = sqlite3_column_int64(query, 0),
				   .uid = sqlite3_column_int64(query, 1)};
	int err = entry.id > 0 && entry.id < INT64_MAX ? 0 : -EBADMSG;

	for (int i = 0; !err && i < KILL_TEXTS; i++) {
		const void *text = sqlite3_column_text(query, 2 + i);

		buf__add(&entry.texts[i], text ?: "", sqlite3_column_bytes(query, 2 + i));
		err = buf__error(&entry.texts[i]);
	}
	if (!err)
		visit(&entry, ctx);
	for (size_t i = 0; i < KILL_TEXTS; i++)
		buf__free(&entry.texts[i]);
	return err;
}

int kills__each(sqlite3 *db, kill_visit_fn *visit, void *ctx)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(db, "SELECT id, uid, json, line, text FROM kill ORDER BY id", &query);
	int more = err;

	while (!err && (more = db__next(query)) > 0)
		err = read_one(query, visit, ctx);
	return err ?: more;
}
