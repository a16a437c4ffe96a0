// SPDX-License-Identifier: BSD-2-Clause
#include "history/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

const char *const amount_names[AMOUNTS] = {
	[AMOUNT_RSS] = "rss",	  [AMOUNT_PSS] = "pss",	    [AMOUNT_SWAP] = "swap",
	[AMOUNT_HEAP] = "heap",	  [AMOUNT_STACK] = "stack", [AMOUNT_METADATA] = "metadata",
	[AMOUNT_NAMED] = "named", [AMOUNT_FILE] = "file",   [AMOUNT_ANONYMOUS] = "anonymous",
	[AMOUNT_OTHER] = "other",
};

/* From each version to the next. A text that is not known has id 0. */
static const char *const steps[SCHEMA_VERSION] = {
	"CREATE TABLE string(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
	"CREATE TABLE frame(id INTEGER PRIMARY KEY, function INT NOT NULL, file INT NOT NULL,"
	" line INT NOT NULL, inlined INT NOT NULL, module INT NOT NULL, build_id INT NOT NULL,"
	" offset INT NOT NULL, language INT NOT NULL,"
	" UNIQUE(module, offset, function, line, inlined, file, build_id, language));"
	/* frames: their ids, 4 bytes each, little-endian, innermost first. */
	"CREATE TABLE site(id INTEGER PRIMARY KEY, frames BLOB NOT NULL, source INT NOT NULL,"
	" truncated INT NOT NULL, owner INT, span INT NOT NULL,"
	" UNIQUE(frames, source, truncated));"
	/* id is also the order in time; step: seconds between rows. */
	"CREATE TABLE span(id INTEGER PRIMARY KEY, began INT NOT NULL, ended INT NOT NULL,"
	" step INT NOT NULL);"
	/* boot, ticks: which process; started: ns since 1970; uid, gid: as struct observed_owner;
	 * span: the last that has rows of it. */
	"CREATE TABLE series(id INTEGER PRIMARY KEY, kind INT NOT NULL, boot INT NOT NULL,"
	" pid INT NOT NULL, ticks INT NOT NULL, container INT NOT NULL, started INT, comm INT,"
	" runtime INT, namespace INT, pod INT, name INT, pod_uid INT, uid INT, gid INT,"
	" span INT NOT NULL, UNIQUE(kind, pid, ticks, boot, container));"
	"CREATE TABLE point(span INT, series INT, at INT, rss INT, pss INT, swap INT, heap INT,"
	" stack INT, metadata INT, named INT, file INT, anonymous INT, other INT,"
	" PRIMARY KEY(span, series, at)) WITHOUT ROWID;"
	"CREATE TABLE share(span INT, series INT, of INT, what INT, at INT, rss INT,"
	" PRIMARY KEY(span, series, of, what, at)) WITHOUT ROWID;"
	"CREATE TABLE kill(id INTEGER PRIMARY KEY, uid INT NOT NULL, json TEXT NOT NULL,"
	" line TEXT NOT NULL, text TEXT NOT NULL);",
	/* boot: as of series, but the text; value: struct trend, of the version that wrote it. */
	"CREATE TABLE trend(name TEXT PRIMARY KEY, boot TEXT NOT NULL, container TEXT NOT NULL,"
	" offset INT NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;",
};

/* What a version without its tables would be. */
static int check_tables(sqlite3 *db, int64_t version)
{
	static const struct {
		int64_t since;
		const char *query;
	} needed[] = {
		{1, "SELECT count(id + text) FROM string"},
		{1, "SELECT count(id + frames + source + truncated + owner + span) FROM site"},
		{1, "SELECT count(id + began + ended + step) FROM span"},
		{1, "SELECT count(span + series + at + rss + other) FROM point"},
		{1, "SELECT count(span + series + of + what + at + rss) FROM share"},
		{1, "SELECT count(id + function + offset) FROM frame"},
		{1, "SELECT count(id + uid) FROM kill"},
		{1, "SELECT count(id + kind + boot + pid + ticks + gid) FROM series"},
		{2, "SELECT count(name || boot || container || offset || value) FROM trend"},
	};
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(needed); i++) {
		_cleanup_statement_ sqlite3_stmt *query = NULL;

		/* Not run: it would read all rows. */
		if (version >= needed[i].since)
			err = db__prepare(db, needed[i].query, &query);
	}
	return err == -EIO ? -EBADMSG : err;
}

/* SQLite reads a page when it needs it: what is damaged far inside would show in weeks. */
static int check_pages(sqlite3 *db)
{
	_cleanup_statement_ sqlite3_stmt *check = NULL;
	int err = db__prepare(db, "PRAGMA quick_check(1)", &check);

	if (err)
		return err;
	err = db__next(check);
	if (err == 1 && strcmp((const char *)sqlite3_column_text(check, 0) ?: "", "ok"))
		return -EBADMSG;
	return err < 0 ? err : 0;
}

static int read_version(sqlite3 *db, int64_t *ret_application, int64_t *ret_version)
{
	return db__get_of(db, "PRAGMA application_id", ret_application)
		       ?: db__get_of(db, "PRAGMA user_version", ret_version);
}

int schema__check(sqlite3 *db)
{
	int64_t application = 0, version = 0, objects = 0;
	int err = db__get_of(db, "SELECT count(*) FROM sqlite_schema", &objects);

	err = err ?: read_version(db, &application, &version);
	if (err || (!objects && !application && !version))
		return err;
	if (application != SCHEMA_APPLICATION || version < 1)
		return -ENOEXEC;
	if (version > SCHEMA_VERSION)
		return -EPROTO;
	return check_pages(db) ?: check_tables(db, version);
}

int schema__migrate(sqlite3 *db)
{
	int64_t application = 0, version = 0;
	char pragmas[96];
	int err = read_version(db, &application, &version);

	if (err || version == SCHEMA_VERSION)
		return err;
	err = db__exec(db, "BEGIN IMMEDIATE");
	for (int64_t i = version; !err && i < SCHEMA_VERSION; i++)
		err = db__exec(db, steps[i]);
	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d; PRAGMA user_version=%d",
		 SCHEMA_APPLICATION, SCHEMA_VERSION);
	err = err ?: db__exec(db, pragmas) ?: db__exec(db, "COMMIT");
	if (err)
		db__exec(db, "ROLLBACK");
	return err;
}
