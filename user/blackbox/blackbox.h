/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process had when the out-of-memory killer took it. Its memory is gone within milliseconds,
 * so the report must be there before: a thread looks at every cgroup with a limit and at the node,
 * and takes reports of the largest processes where memory runs short (blackbox/place.h says when).
 * The kernel's tracepoint then tells the victim, and its last report becomes part of an entry.
 */
#ifndef MEMPROV_BLACKBOX_H
#define MEMPROV_BLACKBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "blackbox/ooms.h"
#include "report/caller.h"
#include "util/buf.h"

struct blackbox;
struct crew;
struct growth;
struct history;
struct owner;
struct taker;

/* All must outlive it: history keeps the entries over a restart, growth says what grew. NULL when
 * out of memory. */
struct blackbox *blackbox__new(const char *proc, struct history *history, struct growth *growth);

/* With a thread of the crew's, from before which no kill is known. Both must outlive the crew. 0 or
 * -errno. */
int blackbox__start(struct blackbox *blackbox, struct taker *taker, struct owner *owner,
		    struct crew *crew);

/* Behind the end of the crew; accepts NULL. */
void blackbox__free(struct blackbox *blackbox);

/* Every entry whose victim the caller might have read, in brief without the reports; or the one
 * with that id: 0, -ENOENT, or -EACCES. */
void blackbox__encode(struct blackbox *blackbox, const struct caller *caller, bool json, bool brief,
		      struct buf *ret);
int blackbox__encode_one(struct blackbox *blackbox, const struct caller *caller, uint64_t id,
			 bool json, struct buf *ret);

struct blackbox_stats {
	uint64_t kills[OOM_SCOPES];
	uint64_t lost; /* kills of which nothing but their number is known */
	uint64_t reports;
};
void blackbox__stats(struct blackbox *blackbox, struct blackbox_stats *ret);

#endif
