/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes the answer to a checked query. Blocks while the kernel reads the target. */
#ifndef MEMPROV_REPORTER_H
#define MEMPROV_REPORTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "report/caller.h"
#include "serve/answer.h"
#include "serve/query.h"
#include "serve/routes.h"

struct blackbox;
struct growth;
struct history;
struct report;
struct sampler;
struct taker;
struct visitor;

struct reporter {
	struct taker *taker;
	struct sampler *sampler;
	struct blackbox *blackbox;
	struct history *history;
	struct growth *growth;
	const char *proc;
	pid_t pid; /* described when a query names none; 0: the node */
	void (*metrics)(void *ctx, const struct report *node, struct buf *ret);
	void (*took)(void *ctx, uint64_t ns); /* how long each report took; may be NULL */
	void *ctx;
};

/* The caller that a report is made for, and the thread that makes it. */
struct asker {
	const struct caller *caller;
	struct visitor *visitor;
};

/* May run on several threads at once. */
typedef void reporter_fn(const struct reporter *reporter, const struct route *route,
			 const struct query *query, const struct asker *asker,
			 struct answer *answer);

reporter_fn reporter__answer;

#endif
