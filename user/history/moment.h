/* SPDX-License-Identifier: BSD-2-Clause */
/* What was known at one moment, as a report that was saved then would tell it (diff/saved.h). */
#ifndef MEMPROV_HISTORY_MOMENT_H
#define MEMPROV_HISTORY_MOMENT_H

#include <stdbool.h>

#include "diff/saved.h"
#include "history/select.h"

/*
 * At the time, or where nothing is known of it at the next one that is known, or with `back` the
 * one before. 0; -ENODATA: there is none; or -errno. saved__free() it.
 */
int moment__read(sqlite3 *db, const struct selection *selection, uint64_t at_ns, bool back,
		 struct saved **ret);

#endif
