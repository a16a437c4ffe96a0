// SPDX-License-Identifier: BSD-2-Clause
#include "notify/notifier.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "notify/outbox.h"
#include "options/options.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/thread.h"
#include "util/waiter.h"

#define STOP_NS (3 * NSEC_PER_SEC)

const struct notifier_times notifier_times = {
	.resend_ns = 60 * NSEC_PER_SEC,
	.keep_ended_ns = 15 * 60 * NSEC_PER_SEC,
	.timeout_ns = 10 * NSEC_PER_SEC,
	.retry_min_ns = NSEC_PER_SEC,
	.retry_max_ns = 60 * NSEC_PER_SEC,
};

/* One Alertmanager and its thread. */
struct sender {
	struct notifier *notifier;
	struct receiver *receiver;
	size_t index;
	pthread_t thread;
	bool started;
	bool failing;
	uint64_t retry_ns; /* how long after a failure; 0: the last request did not fail */
	uint64_t not_before_ns;
};

struct notifier {
	struct notifier_config config;
	struct libcurl curl;
	struct sender senders[ALERTMANAGERS_MAX];
	size_t n_senders;
	_Atomic bool stopping;

	pthread_mutex_t lock; /* for all of these */
	pthread_cond_t wake;
	struct outbox *outbox;
	uint64_t sent, failed;
	uint64_t failures[DELIVERY_FAILURES];
};

/* --- a request -------------------------------------------------------------------------------- */

static bool is_stopped(void *ctx)
{
	const struct notifier *n = ctx;

	return atomic_load(&n->stopping);
}

/* Once when it begins to fail, and once when that is over. Without the lock: the log may be slow.
 */
static void tell(struct sender *sender, enum delivery delivery)
{
	const struct notifier *n = sender->notifier;
	bool failing = delivery != DELIVERY_SENT;
	char text[512];

	if (delivery == DELIVERY_STOPPED || failing == sender->failing)
		return;
	sender->failing = failing;
	if (failing)
		snprintf(text, sizeof(text), "alertmanager %.300s takes no alerts (%s: %s)",
			 receiver__name(sender->receiver), delivery__name(delivery),
			 receiver__why(sender->receiver));
	else
		snprintf(text, sizeof(text), "alertmanager %.300s takes alerts again",
			 receiver__name(sender->receiver));
	if (n->config.say)
		n->config.say(text);
}

/* Twice as long as the last time, and not all daemons of a cluster at the same moment. */
static void put_off(struct sender *sender, uint64_t now_ns)
{
	const struct notifier_times *times = &sender->notifier->config.times;
	uint64_t asked_ns = receiver__retry_after_ns(sender->receiver), wait_ns;

	sender->retry_ns = sender->retry_ns ? 2 * sender->retry_ns : times->retry_min_ns;
	if (sender->retry_ns > times->retry_max_ns)
		sender->retry_ns = times->retry_max_ns;
	wait_ns = sender->retry_ns / 2 + now_ns % (sender->retry_ns / 2 + 1);
	if (wait_ns < asked_ns)
		wait_ns = asked_ns < times->retry_max_ns ? asked_ns : times->retry_max_ns;
	sender->not_before_ns = now_ns + wait_ns;
}

/* With the lock held. */
static void account(struct sender *sender, const struct outbox_batch *batch, enum delivery delivery)
{
	struct notifier *n = sender->notifier;
	uint64_t now_ns = clock__monotonic_ns();

	outbox__put_back(n->outbox, sender->index, batch,
			 delivery == DELIVERY_SENT || delivery == DELIVERY_REFUSED, now_ns);
	if (delivery == DELIVERY_SENT) {
		n->sent += batch->n;
	} else if (delivery != DELIVERY_STOPPED) {
		n->failed += batch->n;
		n->failures[delivery]++;
	}
	if (delivery == DELIVERY_SENT)
		sender->retry_ns = 0;
	else if (delivery != DELIVERY_REFUSED)
		put_off(sender, now_ns);
}

/* With the lock held, which it lets go of meanwhile. */
static void send_batch(struct sender *sender, uint64_t now_ns)
{
	struct notifier *n = sender->notifier;
	enum delivery delivery = DELIVERY_BROKEN;
	_cleanup_buf_ struct buf json = {};
	struct outbox_batch batch;

	outbox__take(n->outbox, sender->index, now_ns, clock__wall_ns(), &batch, &json);
	pthread_mutex_unlock(&n->lock);
	if (!buf__error(&json))
		delivery = receiver__post(sender->receiver, &json);
	tell(sender, delivery);
	pthread_mutex_lock(&n->lock);
	account(sender, &batch, delivery);
}

static void *run(void *arg)
{
	struct sender *sender = arg;
	struct notifier *n = sender->notifier;
	uint64_t now_ns, due_ns;

	pthread_mutex_lock(&n->lock);
	while (!is_stopped(n)) {
		now_ns = clock__monotonic_ns();
		due_ns = outbox__due(n->outbox, sender->index);
		if (due_ns < sender->not_before_ns)
			due_ns = sender->not_before_ns;
		if (due_ns <= now_ns)
			send_batch(sender, now_ns);
		else
			waiter__wait(&n->wake, &n->lock, due_ns);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static int add_sender(struct notifier *n, const char *url)
{
	const struct receiver_config config = {
		.url = url,
		.ca_file = n->config.ca_file,
		.timeout_ns = n->config.times.timeout_ns,
		.stopped = is_stopped,
		.ctx = n,
	};
	struct sender *sender = &n->senders[n->n_senders];

	*sender = (struct sender){.notifier = n, .index = n->n_senders};
	n->n_senders++;
	return receiver__new(&n->curl, &config, &sender->receiver);
}

static void cleanup_notifier(struct notifier **notifier)
{
	notifier__free(*notifier);
}

int notifier__new(const struct notifier_config *config, struct notifier **ret)
{
	const struct outbox_config outbox = {
		.n_receivers = config->n_urls,
		.generator_url = config->generator_url,
		.resend_ns = config->times.resend_ns,
		.keep_ended_ns = config->times.keep_ended_ns,
	};
	_cleanup_(cleanup_notifier) struct notifier *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->config = *config;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wake, NULL);
	n->outbox = outbox__new(&outbox);
	err = n->outbox ? libcurl__load(&n->curl) : -ENOMEM;
	for (size_t i = 0; i < config->n_urls && !err; i++)
		err = add_sender(n, config->urls[i]);
	if (!err)
		*ret = take_ptr(n);
	return err;
}

int notifier__start(struct notifier *n)
{
	int err = 0;

	for (size_t i = 0; i < n->n_senders && !err; i++) {
		err = thread__start(&n->senders[i].thread, "alertmanager", run, &n->senders[i]);
		n->senders[i].started = !err;
	}
	return err;
}

void notifier__evaluated(void *notifier, const struct notice *notices, size_t n)
{
	struct notifier *self = notifier;

	pthread_mutex_lock(&self->lock);
	outbox__evaluated(self->outbox, notices, n, clock__monotonic_ns(), clock__wall_ns());
	pthread_cond_broadcast(&self->wake);
	pthread_mutex_unlock(&self->lock);
}

void notifier__stats(struct notifier *n, struct notifier_stats *ret)
{
	*ret = (struct notifier_stats){};
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	ret->sent = n->sent;
	ret->failed = n->failed;
	ret->dropped = outbox__dropped(n->outbox);
	ret->kept = outbox__count(n->outbox);
	memcpy(ret->failures, n->failures, sizeof(ret->failures));
	pthread_mutex_unlock(&n->lock);
}

int notifier__stop(struct notifier *n)
{
	uint64_t until_ns = clock__monotonic_ns() + STOP_NS;
	const struct timespec until = {until_ns / NSEC_PER_SEC, until_ns % NSEC_PER_SEC};
	int err = 0;

	if (!n)
		return 0;
	pthread_mutex_lock(&n->lock);
	atomic_store(&n->stopping, true);
	pthread_cond_broadcast(&n->wake);
	pthread_mutex_unlock(&n->lock);
	for (size_t i = 0; i < n->n_senders; i++) {
		struct sender *sender = &n->senders[i];

		if (sender->started &&
		    pthread_clockjoin_np(sender->thread, NULL, CLOCK_MONOTONIC, &until))
			err = -EBUSY;
		else
			sender->started = false;
	}
	return err;
}

void notifier__free(struct notifier *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_senders; i++)
		receiver__free(n->senders[i].receiver);
	outbox__free(n->outbox);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
