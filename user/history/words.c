// SPDX-License-Identifier: BSD-2-Clause
#include "history/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history/store.h"
#include "model/callsite.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* So many are remembered; then all are forgotten. */
#define TEXTS_MAX 8192
#define SITES_MAX 4096

/* A call site lives as long as it is remembered: those of programs that have ended are not. */
#define SITE_TURNS 5

/* Longer texts are cut: names of C++ have no end. */
#define TEXT_MAX 4096

struct known_text {
	UT_hash_handle hh;
	int64_t id;
	char text[];
};

struct known_site {
	UT_hash_handle hh; /* by site */
	struct callsite *site;
	int64_t id;
	int64_t span;  /* the last that it is known to be used by */
	uint64_t turn; /* in which it was asked for last */
};

struct words {
	struct known_text *texts;
	struct known_site *sites;
	uint64_t turn;
};

struct words *words__new(void)
{
	return calloc(1, sizeof(struct words));
}

static void forget_texts(struct words *words)
{
	struct known_text *text, *next;

	HASH_ITER (hh, words->texts, text, next) {
		HASH_DEL(words->texts, text);
		free(text);
	}
}

static void forget_site(struct words *words, struct known_site *site)
{
	HASH_DEL(words->sites, site);
	callsite__unref(site->site);
	free(site);
}

static void forget_sites(struct words *words)
{
	struct known_site *site, *next;

	HASH_ITER (hh, words->sites, site, next)
		forget_site(words, site);
}

void words__turn(struct words *words)
{
	struct known_site *site, *next;

	words->turn++;
	HASH_ITER (hh, words->sites, site, next) {
		if (words->turn - site->turn > SITE_TURNS)
			forget_site(words, site);
	}
}

void words__forget(struct words *words)
{
	forget_texts(words);
	forget_sites(words);
}

void words__free(struct words *words)
{
	if (!words)
		return;
	words__forget(words);
	free(words);
}

/* --- texts ------------------------------------------------------------------------------------ */

static int bind_text(sqlite3_stmt *statement, const char *text, size_t len)
{
	return db__errno(sqlite3_db_handle(statement),
			 sqlite3_bind_text(statement, 1, text, len, SQLITE_STATIC));
}

static int store_text(struct store *store, const char *text, size_t len, int64_t *ret)
{
	sqlite3_stmt *find = store->statements[FIND_STRING], *put = store->statements[PUT_STRING];
	int err = bind_text(find, text, len);

	*ret = 0;
	err = err ?: db__get(find, ret);
	if (err || *ret)
		return err;
	return bind_text(put, text, len) ?: db__get(put, ret);
}

static void remember_text(struct words *words, const char *text, size_t len, int64_t id)
{
	struct known_text *known;

	if (HASH_COUNT(words->texts) >= TEXTS_MAX)
		forget_texts(words);
	known = malloc(sizeof(*known) + len + 1);
	if (!known)
		return;
	known->id = id;
	memcpy(known->text, text, len);
	known->text[len] = '\0';
	HASH_ADD_KEYPTR(hh, words->texts, known->text, len, known);
	if (!HASH_HAS(known))
		free(known);
}

int words__text(struct words *words, struct store *store, const char *text, int64_t *ret)
{
	size_t len = text ? strnlen(text, TEXT_MAX) : 0;
	struct known_text *known;
	int err;

	*ret = 0;
	if (!text)
		return 0;
	HASH_FIND(hh, words->texts, text, len, known);
	if (known) {
		*ret = known->id;
		return 0;
	}
	err = store_text(store, text, len, ret);
	if (!err)
		remember_text(words, text, len, *ret);
	return err;
}

/* --- frames and call sites -------------------------------------------------------------------- */

static int store_frame(struct words *words, struct store *store, const struct frame *frame,
		       int64_t *ret)
{
	/* As the two statements have them. */
	int64_t values[] = {0, (int64_t)frame->offset, 0, frame->line, frame->inlined, 0,
			    0, frame->language};
	int err = words__text(words, store, frame->module, &values[0]);

	err = err ?: words__text(words, store, frame->function, &values[2]);
	err = err ?: words__text(words, store, frame->file, &values[5]);
	err = err ?: words__text(words, store, frame->build_id, &values[6]);
	err = err ?: db__bind(store->statements[FIND_FRAME], values, ARRAY_SIZE(values));
	*ret = 0;
	err = err ?: db__get(store->statements[FIND_FRAME], ret);
	if (err || *ret)
		return err;
	return db__bind(store->statements[PUT_FRAME], values, ARRAY_SIZE(values))
		       ?: db__get(store->statements[PUT_FRAME], ret);
}

static int bind_frames(sqlite3_stmt *statement, const uint32_t *frames, size_t n)
{
	return db__errno(
		sqlite3_db_handle(statement),
		sqlite3_bind_blob(statement, 5, frames, n * sizeof(*frames), SQLITE_TRANSIENT));
}

static int store_site(struct words *words, struct store *store, const struct callsite *site,
		      int64_t span, int64_t *ret)
{
	sqlite3_stmt *find = store->statements[FIND_SITE], *put = store->statements[PUT_SITE];
	const int64_t values[4] = {site->source, site->truncated,
				   site->owner < 0 ? DB_NULL : site->owner, span};
	uint32_t frames[FRAMES_MAX];
	int64_t id;
	int err = 0;

	for (size_t i = 0; !err && i < site->n && i < FRAMES_MAX; i++) {
		err = store_frame(words, store, site->frames[i], &id);
		frames[i] = htole32(id);
	}
	*ret = 0;
	err = err ?: db__bind(find, values, 2) ?: bind_frames(find, frames, site->n);
	err = err ?: db__get(find, ret);
	if (err)
		return err;
	if (*ret)
		return db__run_with(store->statements[USE_SITE], *ret, span);
	return db__bind(put, values, 4) ?: bind_frames(put, frames, site->n) ?: db__get(put, ret);
}

static void remember_site(struct words *words, struct callsite *site, int64_t id, int64_t span)
{
	struct known_site *known;

	if (HASH_COUNT(words->sites) >= SITES_MAX)
		forget_sites(words);
	known = malloc(sizeof(*known));
	if (!known)
		return;
	*known = (struct known_site){
		.site = callsite__ref(site), .id = id, .span = span, .turn = words->turn};
	HASH_ADD_PTR(words->sites, site, known);
	if (!HASH_HAS(known)) {
		callsite__unref(site);
		free(known);
	}
}

int words__site(struct words *words, struct store *store, struct callsite *site, int64_t span,
		int64_t *ret)
{
	struct known_site *known;
	int err;

	HASH_FIND_PTR(words->sites, &site, known);
	if (!known) {
		err = store_site(words, store, site, span, ret);
		if (!err)
			remember_site(words, site, *ret, span);
		return err;
	}
	*ret = known->id;
	known->turn = words->turn;
	if (known->span == span)
		return 0;
	err = db__run_with(store->statements[USE_SITE], known->id, span);
	if (!err)
		known->span = span;
	return err;
}

/* --- what is of no use any more --------------------------------------------------------------- */

struct marks {
	uint8_t *bits;
	size_t n;
};

static void mark(struct marks *marks, int64_t id)
{
	if (id > 0 && (uint64_t)id < marks->n)
		marks->bits[id / 8] |= 1 << id % 8;
}

static int begin_marks(sqlite3 *db, const char *sql, struct marks *ret)
{
	int64_t last = 0;
	int err = db__get_of(db, sql, &last);

	if (err)
		return err;
	ret->n = (last == DB_NULL ? 0 : last) + 1;
	ret->bits = calloc(1, ret->n / 8 + 1);
	return ret->bits ? 0 : -ENOMEM;
}

/* All ids in the columns of the rows. */
static int mark_columns(sqlite3 *db, const char *sql, struct marks *marks)
{
	_cleanup_statement_ sqlite3_stmt *rows = NULL;
	int err = db__prepare(db, sql, &rows);

	while (!err && (err = db__next(rows)) == 1) {
		for (int i = 0; i < sqlite3_column_count(rows); i++)
			mark(marks, sqlite3_column_int64(rows, i));
		err = 0;
	}
	return err;
}

static int mark_frames(sqlite3 *db, struct marks *marks)
{
	_cleanup_statement_ sqlite3_stmt *rows = NULL;
	int err = db__prepare(db, "SELECT frames FROM site", &rows);

	while (!err && (err = db__next(rows)) == 1) {
		const uint32_t *frames = sqlite3_column_blob(rows, 0);
		size_t n = sqlite3_column_bytes(rows, 0) / sizeof(*frames);

		for (size_t i = 0; i < n; i++)
			mark(marks, le32toh(frames[i]));
		err = 0;
	}
	return err;
}

static int delete_unmarked(sqlite3 *db, const char *list, const char *sql,
			   const struct marks *marks)
{
	_cleanup_statement_ sqlite3_stmt *rows = NULL, *remove = NULL;
	int err = db__prepare(db, list, &rows) ?: db__prepare(db, sql, &remove);

	while (!err && (err = db__next(rows)) == 1) {
		int64_t id = sqlite3_column_int64(rows, 0);

		err = 0;
		if ((uint64_t)id >= marks->n || !(marks->bits[id / 8] & 1 << id % 8))
			err = db__run(remove, &id, 1);
	}
	return err;
}

static int collect_frames(sqlite3 *db)
{
	struct marks marks = {};
	int err = begin_marks(db, "SELECT max(id) FROM frame", &marks);

	err = err ?: mark_frames(db, &marks);
	err = err
		      ?: delete_unmarked(db, "SELECT id FROM frame",
					 "DELETE FROM frame WHERE id = ?1", &marks);
	free(marks.bits);
	return err;
}

static int collect_texts(sqlite3 *db)
{
	struct marks marks = {};
	int err = begin_marks(db, "SELECT max(id) FROM string", &marks);

	err = err ?: mark_columns(db, "SELECT module, function, file, build_id FROM frame", &marks);
	err = err
		      ?: mark_columns(db,
				      "SELECT boot, container, comm, runtime, namespace, pod, name,"
				      " pod_uid FROM series",
				      &marks);
	/* 2 and 3: SHARE_NAME and SHARE_CATEGORY. */
	err = err ?: mark_columns(db, "SELECT what FROM share WHERE of IN (2, 3)", &marks);
	err = err
		      ?: delete_unmarked(db, "SELECT id FROM string",
					 "DELETE FROM string WHERE id = ?1", &marks);
	free(marks.bits);
	return err;
}

int words__collect(struct store *store, int64_t span)
{
	_cleanup_statement_ sqlite3_stmt *sites = NULL, *series = NULL;
	int err = db__prepare(store->db, "DELETE FROM site WHERE span < ?1", &sites);

	err = err ?: db__prepare(store->db, "DELETE FROM series WHERE span < ?1", &series);
	err = err ?: db__run(sites, &span, 1) ?: db__run(series, &span, 1);
	return err ?: collect_frames(store->db) ?: collect_texts(store->db);
}
