// SPDX-License-Identifier: BSD-2-Clause
#include "history/db.h"

#include <errno.h>

int db__errno(sqlite3 *db, int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return db && sqlite3_system_errno(db) == EROFS ? -EROFS : -EACCES;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR:
		/* Of shared memory, which is mapped, too. */
		if (db &&
		    (sqlite3_system_errno(db) == ENOSPC || sqlite3_system_errno(db) == EDQUOT))
			return -ENOSPC;
		return -EIO;
	default:
		return -EIO;
	}
}

int db__exec(sqlite3 *db, const char *sql)
{
	return db__errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int db__prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
	return db__errno(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL));
}

int db__bind(sqlite3_stmt *statement, const int64_t *values, size_t n)
{
	int result = SQLITE_OK;

	for (size_t i = 0; i < n && result == SQLITE_OK; i++) {
		if (values[i] == DB_NULL)
			result = sqlite3_bind_null(statement, i + 1);
		else
			result = sqlite3_bind_int64(statement, i + 1, values[i]);
	}
	return db__errno(sqlite3_db_handle(statement), result);
}

int db__bind_text(sqlite3_stmt *statement, int n, const char *text)
{
	return db__errno(sqlite3_db_handle(statement),
			 sqlite3_bind_text(statement, n, text, -1, SQLITE_STATIC));
}

int db__next(sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement), err;

	if (result == SQLITE_ROW)
		return 1;
	err = db__errno(sqlite3_db_handle(statement), result);
	sqlite3_reset(statement);
	return err;
}

int db__run(sqlite3_stmt *statement, const int64_t *values, size_t n)
{
	int err = db__bind(statement, values, n);

	if (err)
		return err;
	do
		err = db__next(statement);
	while (err == 1);
	return err;
}

int db__get(sqlite3_stmt *statement, int64_t *ret)
{
	int err = db__next(statement);

	if (err == 1) {
		int64_t value = db__column(statement, 0);

		/* What the statement wrote is committed here, unless in a transaction. */
		err = db__errno(sqlite3_db_handle(statement), sqlite3_reset(statement));
		if (!err)
			*ret = value;
	}
	return err;
}

int db__get_of(sqlite3 *db, const char *sql, int64_t *ret)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int err = db__prepare(db, sql, &statement);

	return err ?: db__get(statement, ret);
}

int64_t db__column(sqlite3_stmt *statement, int column)
{
	if (sqlite3_column_type(statement, column) == SQLITE_NULL)
		return DB_NULL;
	return sqlite3_column_int64(statement, column);
}

int64_t db__bytes(sqlite3_stmt *statement, int column)
{
	int64_t bytes = db__column(statement, column);

	if (bytes == DB_NULL)
		return DB_NULL;
	return bytes < 0 ? 0 : bytes > DB_BYTES_MAX ? DB_BYTES_MAX : bytes;
}
