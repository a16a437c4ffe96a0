// SPDX-License-Identifier: BSD-2-Clause
#include "history/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "history/schema.h"
#include "util/cleanup.h"

#define WRITER_CACHE_KIB 1024
#define READER_CACHE_KIB 1024
#define BUSY_MS		 2000
#define LEAST_PAGES	 64
#define SPARE_PAGES	 1024

/* The log's part of the whole, in which it is emptied at this many pages. */
#define LOG_PART	4
#define CHECKPOINT_PART 16
#define CHECKPOINT_MAX	1000

/* A process that has been another's too belongs to no user any more. */
#define OWNED                                                                                      \
	"uid = CASE WHEN comm IS NOT NULL AND uid IS NOT ?8 THEN NULL ELSE ?8 END,"                \
	" gid = CASE WHEN comm IS NOT NULL AND gid IS NOT ?9 THEN NULL ELSE ?9 END"

static const char *const texts[STATEMENTS] = {
	[PUT_SPAN] = "INSERT INTO span(began, ended, step) VALUES(?1, ?1, ?2) RETURNING id",
	[END_SPAN] = "UPDATE span SET ended = ?2 WHERE id = ?1",
	[PUT_POINT] = "INSERT OR REPLACE INTO point VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,"
		      "?13)",
	[PUT_SHARE] = "INSERT OR REPLACE INTO share VALUES(?1,?2,?3,?4,?5,?6)",
	[FIND_STRING] = "SELECT id FROM string WHERE text = ?1",
	[PUT_STRING] = "INSERT INTO string(text) VALUES(?1) RETURNING id",
	[FIND_FRAME] = "SELECT id FROM frame WHERE module = ?1 AND offset = ?2 AND function = ?3"
		       " AND line = ?4 AND inlined = ?5 AND file = ?6 AND build_id = ?7"
		       " AND language = ?8",
	[PUT_FRAME] = "INSERT INTO frame(module, offset, function, line, inlined, file, build_id,"
		      " language) VALUES(?1,?2,?3,?4,?5,?6,?7,?8) RETURNING id",
	[FIND_SITE] = "SELECT id FROM site WHERE source = ?1 AND truncated = ?2 AND frames = ?5",
	[PUT_SITE] = "INSERT INTO site(source, truncated, owner, span, frames)"
		     " VALUES(?1,?2,?3,?4,?5) RETURNING id",
	[USE_SITE] = "UPDATE site SET span = ?2 WHERE id = ?1 AND span < ?2",
	[FIND_SERIES] = "SELECT id FROM series WHERE kind = ?1 AND boot = ?2 AND pid = ?3 AND"
			" ticks = ?4 AND container = ?5",
	[PUT_SERIES] = "INSERT INTO series(kind, boot, pid, ticks, container, started, span)"
		       " VALUES(?1,?2,?3,?4,?5,?6,?7) RETURNING id",
	[USE_SERIES] = "UPDATE series SET span = ?2 WHERE id = ?1 AND span < ?2",
	/* Not what is so already: a page would be written for nothing. */
	[NAME_SERIES] = "UPDATE series SET comm = ?2, runtime = ?3, namespace = ?4, pod = ?5,"
			" name = ?6, pod_uid = ?7, " OWNED " WHERE id = ?1 AND (comm IS NOT ?2 OR"
			" runtime IS NOT ?3 OR namespace IS NOT ?4 OR pod IS NOT ?5 OR"
			" name IS NOT ?6 OR pod_uid IS NOT ?7 OR uid IS NOT ?8 OR gid IS NOT ?9)",
	[PUT_KILL] = "INSERT OR REPLACE INTO kill VALUES(?1,?2,?3,?4,?5)",
	[DROP_KILLS] = "DELETE FROM kill WHERE id <= ?1",
	[PUT_TREND] = "INSERT OR REPLACE INTO trend(offset, boot, name, container, value)"
		      " VALUES(?1,?2,?3,?4,?5)",
	[DROP_TRENDS] = "DELETE FROM trend",
};

/* --- files that are not ours ------------------------------------------------------------------ */

static const char *why(int cause)
{
	return cause == -ENOEXEC  ? "is not memprov's"
	       : cause == -EPROTO ? "is of a newer memprov"
				  : "is damaged";
}

/* What lies beside it goes along: it is of no use to another. */
static int set_aside(const char *file, int cause, char note[STORE_NOTE_LEN])
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char kept[PATH_MAX + 64], from[PATH_MAX + 64], to[PATH_MAX + 128];
	time_t now = time(NULL);
	struct tm tm;
	int n = snprintf(kept, sizeof(kept), "%s.aside-", file);

	gmtime_r(&now, &tm);
	n += strftime(kept + n, sizeof(kept) - n, "%Y%m%dT%H%M%SZ", &tm);
	for (int i = 1; !access(kept, F_OK) && i < 1000; i++)
		snprintf(kept + n, sizeof(kept) - n, "-%d", i);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(from, sizeof(from), "%s%s", file, suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", kept, suffixes[i]);
		if (rename(from, to) && (!i || errno != ENOENT))
			return -errno;
	}
	snprintf(note, STORE_NOTE_LEN, "%.200s %s; it is kept as %.200s, and a new one begins",
		 file, why(cause), kept);
	return 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int configure(struct store *store)
{
	char sql[256];
	uint64_t checkpoint = store->max_bytes / CHECKPOINT_PART / SCHEMA_PAGE;

	snprintf(sql, sizeof(sql),
		 "PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA cache_size=-%d;"
		 " PRAGMA temp_store=MEMORY; PRAGMA journal_mode=%s; PRAGMA synchronous=NORMAL;"
		 " PRAGMA wal_autocheckpoint=%d",
		 SCHEMA_PAGE, WRITER_CACHE_KIB, store->file ? "WAL" : "MEMORY",
		 (int)(checkpoint < CHECKPOINT_MAX ? checkpoint : CHECKPOINT_MAX));
	return db__exec(store->db, sql);
}

static int prepare_statements(struct store *store)
{
	int err = 0;

	for (int i = 0; !err && i < STATEMENTS; i++)
		err = db__prepare(store->db, texts[i], &store->statements[i]);
	return err;
}

static int open_db(const char *file, const char *uri, bool reader, sqlite3 **ret)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, result, err;

	if (!reader)
		flags |= SQLITE_OPEN_CREATE;
	if (!file)
		flags |= SQLITE_OPEN_URI;
	result = sqlite3_open_v2(file ?: uri, ret, flags, NULL);
	err = db__errno(*ret, result);
	if (!err) {
		sqlite3_extended_result_codes(*ret, 1);
		sqlite3_busy_timeout(*ret, BUSY_MS);
		/* A file from elsewhere must not run anything. */
		sqlite3_db_config(*ret, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(*ret, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	}
	return err;
}

static void close_db(struct store *store)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
	sqlite3_close(store->db);
	store->db = NULL;
}

static int open_once(struct store *store)
{
	int err = open_db(store->file, store->uri, false, &store->db);

	/* Before anything is written to it: what is not ours stays as it is. */
	err = err ?: schema__check(store->db);
	err = err ?: configure(store) ?: schema__migrate(store->db) ?: prepare_statements(store);
	if (err)
		close_db(store);
	return err;
}

/* SQLite's own locks let several processes write in turn; their spans would hide one another's. It
 * is held until the database is closed: closing any descriptor of the file drops SQLite's locks. */
static int lock_file(struct store *store)
{
	struct stat st;

	if (!stat(store->file, &st) && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	store->lock = open(store->file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (store->lock < 0)
		return -errno;
	return flock(store->lock, LOCK_EX | LOCK_NB) ? (errno == EWOULDBLOCK ? -EAGAIN : -errno)
						     : 0;
}

static void unlock_file(struct store *store)
{
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
}

static int open_file(struct store *store, char note[STORE_NOTE_LEN], int *ret_cause)
{
	int err = lock_file(store);

	err = err ?: open_once(store);
	if (err != -EBADMSG && err != -ENOEXEC && err != -EPROTO)
		return err;
	*ret_cause = err;
	unlock_file(store);
	return set_aside(store->file, err, note) ?: lock_file(store) ?: open_once(store);
}

int store__set_bounds(struct store *store)
{
	char sql[64];

	store->max_log = store->file ? store->max_bytes / LOG_PART : 0;
	store->max_pages = (store->max_bytes - store->max_log) / SCHEMA_PAGE;
	/* SQLite takes no less than there are. */
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%llu",
		 (unsigned long long)store->max_pages);
	return db__exec(store->db, sql);
}

int store__open(const char *file, uint64_t max_bytes, char note[STORE_NOTE_LEN], int *ret_cause,
		struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));
	int err;

	note[0] = '\0';
	*ret_cause = 0;
	if (!store)
		return -ENOMEM;
	store->lock = -1;
	store->max_bytes = max_bytes;
	snprintf(store->uri, sizeof(store->uri), "file:/memprov-%p?vfs=memdb", (void *)store);
	store->file = file ? strdup(file) : NULL;
	err = file && !store->file ? -ENOMEM
	      : file		   ? open_file(store, note, ret_cause)
				   : open_once(store);
	err = err ?: store__set_bounds(store);
	if (err)
		store__close(store);
	else
		*ret = store;
	return err;
}

void store__close(struct store *store)
{
	if (!store)
		return;
	if (store->db)
		close_db(store);
	unlock_file(store);
	free(store->file);
	free(store);
}

int store__open_reader(const char *file, const char *uri, sqlite3 **ret)
{
	char sql[64];
	int err = open_db(file, uri, true, ret);

	snprintf(sql, sizeof(sql), "PRAGMA query_only=1; PRAGMA cache_size=-%d", READER_CACHE_KIB);
	err = err ?: db__exec(*ret, sql);
	if (err) {
		sqlite3_close(*ret);
		*ret = NULL;
	}
	return err;
}

/* --- writing ---------------------------------------------------------------------------------- */

int store__begin(struct store *store)
{
	return db__exec(store->db, "BEGIN IMMEDIATE");
}

int store__commit(struct store *store)
{
	return db__exec(store->db, "COMMIT");
}

void store__rollback(struct store *store)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_reset(store->statements[i]);
	if (!sqlite3_get_autocommit(store->db))
		db__exec(store->db, "ROLLBACK");
}

int store__used_pages(struct store *store, uint64_t *ret)
{
	int64_t pages = 0, free = 0;
	int err = db__get_of(store->db, "PRAGMA page_count", &pages);

	err = err ?: db__get_of(store->db, "PRAGMA freelist_count", &free);
	if (!err)
		*ret = pages - free;
	return err;
}

uint64_t store__log_bytes(const struct store *store)
{
	char path[4200];
	struct stat st;

	if (!store->file)
		return 0;
	snprintf(path, sizeof(path), "%s-wal", store->file);
	return stat(path, &st) ? 0 : st.st_size;
}

bool store__is_held_up(struct store *store)
{
	if (store__log_bytes(store) <= store->max_log)
		return false;
	sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return store__log_bytes(store) > store->max_log;
}

void store__shrink(struct store *store)
{
	int64_t pages = 0;
	uint64_t least;

	/* The log's room is what is used to make some. */
	sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	if (db__get_of(store->db, "PRAGMA page_count", &pages))
		return;
	least = pages - pages / 8;
	/* Otherwise it is the bound itself that was reached. */
	if (least < store->max_pages - store->max_pages / 4)
		store->max_pages = least > LEAST_PAGES ? least : LEAST_PAGES;
}

int store__release(struct store *store)
{
	int64_t pages = 0, free = 0;
	int err = db__get_of(store->db, "PRAGMA freelist_count", &free);

	err = err ?: db__get_of(store->db, "PRAGMA page_count", &pages);
	/* A few are needed again soon. But what was kept under a larger bound has to go. */
	if (err || !free || (free < SPARE_PAGES && (uint64_t)pages <= store->max_pages))
		return err;
	return db__exec(store->db, "PRAGMA incremental_vacuum(512)");
}
