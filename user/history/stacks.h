/* SPDX-License-Identifier: BSD-2-Clause */
/* Call sites as they were stored, read back. */
#ifndef MEMPROV_HISTORY_STACKS_H
#define MEMPROV_HISTORY_STACKS_H

#include "diff/saved.h"
#include "history/db.h"

struct arena;

/* The owner and the frames of a site, in the arena. A site that is not there has none. 0 or -errno.
 */
int stacks__read(sqlite3 *db, int64_t site, struct arena *arena, struct saved_site *ret);

#endif
