/* SPDX-License-Identifier: BSD-2-Clause */
/* The spans of a range of time, and which of them tells of a moment: the newest that has it. */
#ifndef MEMPROV_HISTORY_WINDOWS_H
#define MEMPROV_HISTORY_WINDOWS_H

#include <stddef.h>

#include "history/schema.h"
#include "history/select.h"

struct arena;

struct window {
	int64_t id;
	int64_t began, ended; /* ms since 1970, both in it */
};

struct windows {
	struct window *all; /* in the order in which they were written */
	size_t n;
};

/* Those that have moments from `from` to `to`, in the arena. 0 or -errno. */
int windows__read(sqlite3 *db, int64_t from_ms, int64_t to_ms, struct arena *arena,
		  struct windows *ret);

/* When a row of it is, which is in it whatever the file says. */
int64_t window__moment(const struct window *window, int64_t at);

/* NULL: nothing is known of that moment. */
const struct window *windows__at(const struct windows *windows, int64_t at_ms);

/*
 * The first moment from `ms` on, or with `back` the last until then, of which something is known of
 * the selection. 0; -ENODATA: there is none in the windows; or -errno.
 */
int windows__known_moment(sqlite3 *db, const struct windows *windows,
			  const struct selection *selection, int64_t ms, bool back, int64_t *ret);

#endif
