/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Alerts for Alertmanagers. Each has a thread of its own, so that one that hangs, or whose name is
 * not found, keeps nothing from the others; and nothing ever waits for these threads. What waits is
 * bounded (notify/outbox.h).
 *
 * A request that fails is made again, after a second first and after retry_max_ns at most. An alert
 * that was refused is not, until it is repeated anyway.
 */
#ifndef MEMPROV_NOTIFIER_H
#define MEMPROV_NOTIFIER_H

#include <stddef.h>
#include <stdint.h>

#include "notify/notice.h"
#include "notify/receiver.h"

struct notifier;

struct notifier_times {
	uint64_t resend_ns;
	uint64_t keep_ended_ns; /* an end is repeated as long, in case one is lost */
	uint64_t timeout_ns;	/* of a request */
	uint64_t retry_min_ns, retry_max_ns;
};

extern const struct notifier_times notifier_times; /* the usual ones */

struct notifier_config {
	const char *const *urls; /* that url__parse() takes; at most ALERTMANAGERS_MAX */
	size_t n_urls;
	const char *ca_file;	   /* NULL: the system's */
	const char *generator_url; /* where more is to be read */
	struct notifier_times times;
	/* A line for the log, when one stops taking alerts and when it takes them again. On the
	 * threads. */
	void (*say)(const char *text);
};

/* The strings must outlive it. 0; -ELIBACC: there is no libcurl; or -errno. */
int notifier__new(const struct notifier_config *config, struct notifier **ret);

/* Starts the threads. 0 or -errno. */
int notifier__start(struct notifier *notifier);

/* Everything that goes on, and what has just ended: what is not there any more has ended, too.
 * Copies, and does not block. The first argument is a struct notifier, which growth does not know.
 */
void notifier__evaluated(void *notifier, const struct notice *notices, size_t n);

struct notifier_stats {
	uint64_t sent;	  /* alerts, each time that an Alertmanager took one */
	uint64_t failed;  /* each time that one did not */
	uint64_t dropped; /* that found no room, or whose end one has never taken */
	uint64_t kept;	  /* alerts that it has, told or not */
	uint64_t failures[DELIVERY_FAILURES]; /* requests */
};

void notifier__stats(struct notifier *notifier, struct notifier_stats *ret); /* NULL: all 0 */

/* Ends the threads, within seconds. 0; or -EBUSY when one is still with a resolver that does not
 * answer: then nothing that it uses may be freed. Accepts NULL. */
int notifier__stop(struct notifier *notifier);
void notifier__free(struct notifier *notifier); /* accepts NULL */

#endif
