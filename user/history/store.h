/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The database: a file, or memory of this process. One thread writes through it; readers have
 * connections of their own.
 */
#ifndef MEMPROV_HISTORY_STORE_H
#define MEMPROV_HISTORY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "history/db.h"

/* What the writer says, prepared once. */
enum statement {
	PUT_SPAN,
	END_SPAN,
	PUT_POINT,
	PUT_SHARE,
	FIND_STRING,
	PUT_STRING,
	FIND_FRAME,
	PUT_FRAME,
	FIND_SITE,
	PUT_SITE,
	USE_SITE,
	FIND_SERIES,
	PUT_SERIES,
	USE_SERIES,
	NAME_SERIES,
	PUT_KILL,
	DROP_KILLS,
	PUT_TREND,
	DROP_TRENDS,
	STATEMENTS,
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	char *file;	    /* NULL: in memory */
	char uri[64];	    /* of memory */
	int lock;	    /* holds the file; -1 */
	uint64_t max_bytes; /* all its files together */
	uint64_t max_pages; /* of the database alone, less when the disk is full before */
	uint64_t max_log;   /* bytes of the write-ahead log beyond which nothing is written */
};

/* Beside the file's name, when it is set aside. */
#define STORE_NOTE_LEN 512

/*
 * file NULL: memory. A file that is not ours, or damaged, is renamed, and a new one made: *note
 * says that in a sentence ("" otherwise) and *ret_cause why (-errno of schema__check()).
 * Errors as db__errno(); -EAGAIN: another process writes it; -EISDIR, -EINVAL: it is no file.
 */
int store__open(const char *file, uint64_t max_bytes, char note[STORE_NOTE_LEN], int *ret_cause,
		struct store **ret);
void store__close(struct store *store); /* accepts NULL */

/* A connection that reads: sqlite3_close() it. */
int store__open_reader(const char *file, const char *uri, sqlite3 **ret);

int store__begin(struct store *store);
int store__commit(struct store *store);
void store__rollback(struct store *store);

/* Pages in use, and whether they are more than may be. */
int store__used_pages(struct store *store, uint64_t *ret);

/* Of the log beside the file; 0 in memory. */
uint64_t store__log_bytes(const struct store *store);

/* Empties a log that has grown too large; true when a reader keeps it from that. */
bool store__is_held_up(struct store *store);

/* What is in use may grow up to max_bytes, as it may when the store is opened. */
int store__set_bounds(struct store *store);

/* The disk was full before that: what there is now has to do, until bounds are set again. */
void store__shrink(struct store *store);

/* Gives free pages back to the file system. */
int store__release(struct store *store);

#endif
