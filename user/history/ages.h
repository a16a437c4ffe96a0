/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept of the past, and how finely: spans are thinned, and at last deleted. */
#ifndef MEMPROV_HISTORY_AGES_H
#define MEMPROV_HISTORY_AGES_H

#include <stdint.h>

struct store;
struct words;

struct tier {
	uint64_t after_s; /* older rows are */
	uint64_t step_s;  /* so far apart */
};

#define TIERS 3
extern const struct tier tiers[TIERS]; /* the finest first */

/*
 * By age: thins one span to each tier, and deletes one that is older than keep_s. Not more at a
 * time, so that a clock that steps ahead by years for a moment takes an hour of history along, not
 * all. now_ms: since 1970. current: the span that is being written, which stays as it is. 0 or
 * -errno.
 */
int ages__advance(struct store *store, struct words *words, int64_t now_ms, uint64_t keep_s,
		  int64_t current);

/* By size: thins, and when nothing is left to be thinned deletes, the oldest of the finest, until
 * what is used fits. -ENOSPC when the current span alone does not. */
int ages__fit(struct store *store, struct words *words, int64_t current);

#endif
