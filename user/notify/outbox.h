/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Alertmanagers have to be told, and when each of them was told it. Pure: no thread, no I/O;
 * the caller has the lock and the clock.
 *
 *	notices ──outbox__evaluated──▶ one alert for each set of labels ──outbox__take──▶ JSON, a
 *batch due at each Alertmanager: at once when it began or ended, then every resend_ns; forgotten
 *keep_ended_ns after its end
 *
 * Alertmanager itself takes an alert for ended when its endsAt has passed: while it goes on, each
 * repeat moves that on by OUTBOX_VALID of them. So an alert of a daemon that is gone ends by
 * itself, and a repeat may be lost.
 */
#ifndef MEMPROV_OUTBOX_H
#define MEMPROV_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "notify/notice.h"
#include "options/options.h"
#include "util/buf.h"

#define OUTBOX_MAX	 1000
#define OUTBOX_BYTES	 (4u << 20)  /* of all their texts */
#define OUTBOX_BYTES_ONE (64u << 10) /* of one */
#define OUTBOX_BATCH	 64	     /* in a request, as Prometheus has it */
#define OUTBOX_VALID	 4

struct outgoing;
struct outbox;

struct outbox_config {
	size_t n_receivers; /* at most ALERTMANAGERS_MAX */
	const char *generator_url;
	uint64_t resend_ns;
	uint64_t keep_ended_ns;
};

/* The strings must outlive it. NULL when out of memory. */
struct outbox *outbox__new(const struct outbox_config *config);
void outbox__free(struct outbox *outbox); /* accepts NULL */

/* Times: now_ns is CLOCK_MONOTONIC's, wall_ns since 1970. */

/* Everything that goes on, and what has just ended; what is no longer there has ended, too. Copies.
 */
void outbox__evaluated(struct outbox *outbox, const struct notice *notices, size_t n,
		       uint64_t now_ns, uint64_t wall_ns);

/* When the receiver has to be told something next; UINT64_MAX: never. */
uint64_t outbox__due(const struct outbox *outbox, size_t receiver);

struct outbox_batch {
	size_t n;
	struct outgoing *alerts[OUTBOX_BATCH];
	unsigned changes[OUTBOX_BATCH];
};

/* Appends what is due as a JSON array; nothing when the batch is empty. Each batch is put back. */
void outbox__take(struct outbox *outbox, size_t receiver, uint64_t now_ns, uint64_t wall_ns,
		  struct outbox_batch *ret, struct buf *ret_json);
/* answered: it is not sent again before resend_ns, unless it changes; else it stays due. */
void outbox__put_back(struct outbox *outbox, size_t receiver, const struct outbox_batch *batch,
		      bool answered, uint64_t now_ns);

/* Alerts that found no room, or were forgotten before a receiver had heard of their end. */
uint64_t outbox__dropped(const struct outbox *outbox);
size_t outbox__count(const struct outbox *outbox);

#endif
