/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The directories in which many small files are large together. Of
 *
 *	/srv/db/0001/seg   1 MiB   ┐
 *	/srv/db/0002/seg   1 MiB   ├ /srv/db/ (150 files)
 *	…                          ┘
 *	/srv/db/hot/a      9 MiB   ┐
 *	/srv/db/hot/b      9 MiB   ┴ /srv/db/hot/ (2 files)
 *
 * every file is in the deepest directory of its own that has more than the limit, less what deeper
 * ones have, or else in none. So each byte counts once, and with a limit of a tenth there are at
 * most nine. The root is no directory here: what lies all over the place has no row.
 *
 * A memfd lies in that of its name, numbers in it made "N", and all lie in "/memfd:"; System V's
 * segments lie in "/SYSV".
 */
#ifndef MEMPROV_DIRECTORIES_H
#define MEMPROV_DIRECTORIES_H

#include <stddef.h>
#include <stdint.h>

#include "reconcile/attribution.h"

struct directories;

/* NULL when out of memory; free accepts NULL. */
struct directories *directories__new(void);
void directories__free(struct directories *directories);

/* Each file once, under the name that the kernel shows, which must live as long. 0 or -ENOMEM. */
int directories__add(struct directories *directories, enum category category, const char *name,
		     uint64_t rss);

struct directory {
	const char *name; /* its first len bytes; lives as long as the directories */
	size_t len;
	uint64_t rss;
	uint64_t files;
};

/* Those with more than `limit` bytes, in order of name. ret stays the directories'. 0 or -ENOMEM.
 */
int directories__find(struct directories *directories, uint64_t limit, const struct directory **ret,
		      size_t *ret_n);

#endif
