/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What grows abnormally: it observes, evaluates every five seconds on a thread of its own, and has
 * history say which code it is. Trends are kept with history, every hour and at the end, and go on
 * after a restart of the daemon; what has ended and alerts' numbers are in memory only.
 */
#ifndef MEMPROV_GROWTH_H
#define MEMPROV_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/alerts.h"
#include "notify/notice.h"
#include "report/metrics.h"
#include "report/observer.h"
#include "util/buf.h"

struct arena;
struct crew;
struct growth;
struct report;
struct taker;

struct growth_config {
	const char *proc;
	struct history *history;
	/* All that fire and those that have just ended, each time that they were evaluated, on the
	 * thread; NULL: none is. The notices live until it returns. */
	void (*notify)(void *ctx, const struct notice *notices, size_t n);
	void *ctx;
};

/* All must outlive it. NULL when out of memory. */
struct growth *growth__new(const struct growth_config *config);
void growth__free(struct growth *growth); /* behind the end of the crew; accepts NULL */

const struct observer *growth__observer(const struct growth *growth);

/* With a thread of the crew's, by which reports of what grows are taken too, so that history has
 * its call sites. It must outlive the crew. 0 or -errno. */
int growth__start(struct growth *growth, struct taker *taker, struct crew *crew);

/* Has history keep the trends as they are now: at the end, before history's. */
void growth__keep(struct growth *growth);

/* Whether the caller may see what is said of the alert, asked with the lock held. */
typedef bool growth_may_see_fn(const struct alert *alert, const void *ctx);
void growth__encode(struct growth *growth, growth_may_see_fn *may_see, const void *ctx, bool json,
		    struct buf *ret);

/* The alerts of a process and of its container, elements of a JSON array. start_ticks 0: not
 * known. */
void growth__encode_of(struct growth *growth, pid_t pid, uint64_t start_ticks, struct buf *ret);

/* For memprov_growth_bytes_per_second, of the processes and containers that the report has, and for
 * memprov_alerts; in the arena. node NULL: there is none. 0 or -ENOMEM. */
int growth__metrics(struct growth *growth, const struct report *node, struct arena *arena,
		    struct metrics_growth *ret);

#endif
