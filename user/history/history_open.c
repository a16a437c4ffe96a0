// SPDX-License-Identifier: BSD-2-Clause
/* The store of history: opened by its writer, and for whoever reads what was kept. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/cause.h"
#include "history/history_parts.h"
#include "history/store.h"
#include "history/trend_box.h"
#include "history/words.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"

#define OPEN_NS	   (5 * NSEC_PER_SEC) /* that the daemon's start waits for the store */
#define RELEASE_NS (4 * NSEC_PER_SEC) /* that a daemon which ends may still hold the file */
#define RETRY_NS   (NSEC_PER_SEC / 20)
_Static_assert(RELEASE_NS < OPEN_NS, "the daemon's start waits for the file, not for memory");

static void set_store(struct history *h, struct store *store)
{
	pthread_mutex_lock(&h->lock);
	h->store = store;
	pthread_mutex_unlock(&h->lock);
	h->target.store = store;
	h->target.span.id = 0;
}

static int open_in_memory(struct history *h, struct store **ret)
{
	char note[STORE_NOTE_LEN];
	int cause;

	h->in_memory = true;
	return store__open(NULL, HISTORY_MEMORY_BYTES, note, &cause, ret);
}

/* False at the deadline, or when history ends. */
static bool pause_until(struct history *h, uint64_t deadline_ns)
{
	uint64_t until_ns = clock__monotonic_ns() + RETRY_NS;
	bool go_on;

	pthread_mutex_lock(&h->lock);
	while (!h->stopping && waiter__wait(&h->wake, &h->lock, until_ns))
		;
	go_on = !h->stopping && until_ns < deadline_ns;
	pthread_mutex_unlock(&h->lock);
	return go_on;
}

/* A daemon that is being replaced closes its port first and the file last. */
static int open_file(struct history *h, char note[STORE_NOTE_LEN], int *ret_cause,
		     struct store **ret)
{
	uint64_t deadline_ns = clock__monotonic_ns() + RELEASE_NS;
	int err;

	do
		err = store__open(h->config.file, h->config.max_bytes, note, ret_cause, ret);
	while (err == -EAGAIN && pause_until(h, deadline_ns));
	return err;
}

int history__open_store(struct history *h)
{
	char note[STORE_NOTE_LEN];
	struct store *store = NULL;
	int cause = 0, err;

	if (!h->config.file || h->in_memory) {
		err = open_in_memory(h, &store);
	} else {
		err = open_file(h, note, &cause, &store);
		if (cause) {
			history__count(h, cause);
			h->told[cause__of(cause)] = true;
		}
		if (!err && note[0])
			history__say(h, "history: %s", note);
		if (err) {
			size_t i = cause__of(err);

			history__count(h, err);
			h->told[i] = true;
			history__say(
				h,
				"history: %s: %s (%s); until the next start it is kept in memory "
				"only",
				h->config.file, causes[i].text, strerror(-err));
			err = open_in_memory(h, &store);
		}
	}
	if (!err)
		set_store(h, store);
	return err;
}

/* Numbers mean something else in another store. */
int history__reopen(struct history *h)
{
	struct store *old = h->store;

	set_store(h, NULL);
	store__close(old);
	words__forget(h->target.words);
	members__free(h->members);
	h->members = members__new(h->boot);
	return h->members ? history__open_store(h) : -ENOMEM;
}

int history__open(struct history *h, sqlite3 **ret)
{
	_cleanup_free_ char *file = NULL;
	char uri[64] = "";
	int err = -EAGAIN;

	pthread_mutex_lock(&h->lock);
	if (h->store && h->bytes) {
		err = 0;
		memcpy(uri, h->store->uri, sizeof(uri));
		if (h->store->file) {
			file = strdup(h->store->file);
			err = file ? 0 : -ENOMEM;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return err ?: store__open_reader(file, uri, ret);
}

const char *history__boot(const struct history *h)
{
	return h->boot;
}

/* --- what others keep ------------------------------------------------------------------------- */

/* Of the file, once it is open; that is waited for, but not for long. -ENOENT: there is none. */
static int open_kept(struct history *h, sqlite3 **ret)
{
	uint64_t until_ns = clock__monotonic_ns() + OPEN_NS;
	_cleanup_free_ char *file = NULL;

	pthread_mutex_lock(&h->lock);
	while (!h->tried && waiter__wait(&h->opened, &h->lock, until_ns))
		;
	if (h->store && h->store->file)
		file = strdup(h->store->file);
	pthread_mutex_unlock(&h->lock);
	return file ? store__open_reader(file, NULL, ret) : -ENOENT;
}

void history__keep_kill(struct history *h, uint64_t id, int64_t uid,
			const struct buf texts[KILL_TEXTS])
{
	int err = h->in_memory ? 0 : kill_box__put(&h->kills, id, uid, texts);

	if (err)
		history__count(h, err);
}

void history__each_kill(struct history *h, kill_visit_fn *visit, void *ctx)
{
	_cleanup_db_ sqlite3 *db = NULL;
	int err = open_kept(h, &db);

	err = err ?: kills__each(db, visit, ctx);
	if (err && err != -ENOENT)
		history__count(h, err);
}

void history__keep_trends(struct history *h, struct trend_set *set)
{
	if (h->in_memory)
		trend_set__free(set);
	else
		trend_box__put(&h->trends, set);
}

void history__each_trend(struct history *h, trend_visit_fn *visit, void *ctx)
{
	_cleanup_db_ sqlite3 *db = NULL;
	int err = open_kept(h, &db);

	err = err ?: trend_box__each(db, h->boot, visit, ctx);
	if (err && err != -ENOENT)
		history__count(h, err);
}
