// SPDX-License-Identifier: BSD-2-Clause
#include "history/stacks.h"

#include <endian.h>
#include <errno.h>

#include "util/arena.h"
#include "wire/frame.h"

#define TEXT(column) "(SELECT text FROM string WHERE id = f." column ")"

static int copy_text(sqlite3_stmt *row, int column, struct arena *arena, const char **ret)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	*ret = text ? arena__strdup(arena, text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int read_frame(sqlite3_stmt *query, uint32_t id, struct arena *arena, struct frame *ret)
{
	int err = db__bind(query, (int64_t[]){id}, 1) ?: db__next(query), language;

	if (err <= 0)
		return err;
	ret->offset = sqlite3_column_int64(query, 4);
	ret->line = sqlite3_column_int64(query, 5);
	ret->inlined = sqlite3_column_int(query, 6);
	language = sqlite3_column_int(query, 7);
	if (language < 0 || language >= FRAME_LANGUAGES)
		return -EBADMSG;
	ret->language = language;
	err = copy_text(query, 0, arena, &ret->function);
	err = err ?: copy_text(query, 1, arena, &ret->file);
	err = err ?: copy_text(query, 2, arena, &ret->module);
	err = err ?: copy_text(query, 3, arena, &ret->build_id);
	sqlite3_reset(query);
	return err;
}

static int read_frames(sqlite3 *db, const uint32_t *ids, struct arena *arena,
		       struct saved_site *site)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int err = db__prepare(
		db,
		"SELECT " TEXT("function") ", " TEXT("file") ", " TEXT("module") ", " TEXT(
			"build_id") ", f.offset, f.line,"
				    " f.inlined, f.language FROM frame f"
				    " WHERE f.id = ?1",
		&query);

	for (size_t i = 0; !err && i < site->n_frames; i++)
		err = read_frame(query, le32toh(ids[i]), arena, &site->frames[i]);
	return err;
}

int stacks__read(sqlite3 *db, int64_t id, struct arena *arena, struct saved_site *ret)
{
	_cleanup_statement_ sqlite3_stmt *query = NULL;
	int64_t owner;
	int err = db__prepare(db, "SELECT frames, owner FROM site WHERE id = ?1", &query);

	err = err ?: db__bind(query, &id, 1) ?: db__next(query);
	if (err <= 0)
		return err;
	owner = db__column(query, 1);
	ret->n_frames = sqlite3_column_bytes(query, 0) / sizeof(uint32_t);
	if (ret->n_frames > FRAMES_MAX)
		ret->n_frames = FRAMES_MAX;
	ret->frames = arena__alloc(arena, (ret->n_frames + 1) * sizeof(*ret->frames));
	if (!ret->frames)
		return -ENOMEM;
	err = read_frames(db, sqlite3_column_blob(query, 0), arena, ret);
	if (!err && owner >= 0 && (size_t)owner < ret->n_frames) {
		ret->owner = ret->frames[owner].function;
		ret->owner_module = ret->frames[owner].module;
	}
	return err;
}
