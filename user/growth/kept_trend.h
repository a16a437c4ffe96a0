/* SPDX-License-Identifier: BSD-2-Clause */
/* Trends as of before a restart of the daemon, by name, until what had them is seen again. */
#ifndef MEMPROV_KEPT_TREND_H
#define MEMPROV_KEPT_TREND_H

#include <stddef.h>
#include <stdint.h>

#include "growth/trend.h"
#include "util/buf.h"
#include "util/hash.h"

struct kept_trend {
	UT_hash_handle hh; /* by name */
	char *name;
	char *container; /* its id; empty: a process */
	int64_t offset;
	struct trend trend;
};

/* With copies of the texts, in the place of another one of that name. Nothing when memory is short.
 */
void kept_trend__add(struct kept_trend **all, const char *name, const char *container,
		     int64_t offset, const struct trend *trend);

/* The caller's from now on. NULL: there is none. */
struct kept_trend *kept_trend__take(struct kept_trend **all, const struct buf *name);

void kept_trend__free(struct kept_trend *kept);
void kept_trend__free_all(struct kept_trend **all);

#endif
