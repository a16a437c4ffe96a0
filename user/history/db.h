/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite as history uses it: integers and texts in, -errno out. */
#ifndef MEMPROV_HISTORY_DB_H
#define MEMPROV_HISTORY_DB_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Stands for NULL among integers. */
#define DB_NULL INT64_MIN

/*
 * What went wrong last, as -errno:
 *   -ENOSPC   the disk or the bound is full        -EBADMSG  damaged, or no database
 *   -EROFS    read-only                            -EBUSY    locked by another connection
 *   -EACCES   it cannot be opened                  -ENOMEM
 *   -EIO      anything else
 */
int db__errno(sqlite3 *db, int result);

int db__exec(sqlite3 *db, const char *sql);
int db__prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret);

/* Binds integers to ?1, ?2, … */
int db__bind(sqlite3_stmt *statement, const int64_t *values, size_t n);

/* A text that stays until the statement is bound again. */
int db__bind_text(sqlite3_stmt *statement, int n, const char *text);

/* Runs it to its end, with the integers bound first, and resets it. */
int db__run(sqlite3_stmt *statement, const int64_t *values, size_t n);
#define db__run_with(statement, ...)                                                               \
	db__run(statement, (const int64_t[]){__VA_ARGS__},                                         \
		sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* The next row: 1; 0 at the end, or -errno; then it is reset. */
int db__next(sqlite3_stmt *statement);

/* The integer in the first column of the first row; *ret stays when there is none. Resets it. */
int db__get(sqlite3_stmt *statement, int64_t *ret);
int db__get_of(sqlite3 *db, const char *sql, int64_t *ret);

/* A column; DB_NULL for NULL. */
int64_t db__column(sqlite3_stmt *statement, int column);

/* The same of an amount: what no machine has is cut, so that sums of what a file says are numbers.
 */
#define DB_BYTES_MAX (1LL << 50)
int64_t db__bytes(sqlite3_stmt *statement, int column);

static inline void db__finalize(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

static inline void db__close(sqlite3 **db)
{
	sqlite3_close(*db);
}

#define _cleanup_db_	    __attribute__((cleanup(db__close)))
#define _cleanup_statement_ __attribute__((cleanup(db__finalize)))

#endif
