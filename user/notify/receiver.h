/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Alertmanager, by HTTP/1.1: a connection and a look for its address for each request, no
 * proxy, no redirect. Not thread-safe; each sender has its own.
 */
#ifndef MEMPROV_RECEIVER_H
#define MEMPROV_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notify/libcurl.h"

struct buf;
struct receiver;

/* What became of a request. */
enum delivery {
	DELIVERY_RESOLVE, /* its name has no address */
	DELIVERY_CONNECT,
	DELIVERY_TLS, /* its certificate is not of our CAs or another's, or there is no TLS */
	DELIVERY_TIMEOUT,
	DELIVERY_BROKEN,  /* it closed, or its answer is too long or no HTTP */
	DELIVERY_BUSY,	  /* 5xx or 429 */
	DELIVERY_REFUSED, /* any other status: it would be the same the next time */
	DELIVERY_FAILURES,
	DELIVERY_SENT = DELIVERY_FAILURES, /* 2xx */
	DELIVERY_STOPPED,
};

const char *delivery__name(enum delivery delivery); /* of a failure: "connect" */

struct receiver_config {
	const char *url;     /* that url__parse() takes */
	const char *ca_file; /* NULL: the system's */
	uint64_t timeout_ns; /* of a request; that of a resolver is its own */
	/* Asked about once a second: whether to give up. */
	bool (*stopped)(void *ctx);
	void *ctx;
};

/* The library must outlive it. 0, or -errno. */
int receiver__new(const struct libcurl *curl, const struct receiver_config *config,
		  struct receiver **ret);
void receiver__free(struct receiver *receiver); /* accepts NULL */

/* Blocks. */
enum delivery receiver__post(struct receiver *receiver, const struct buf *json);

/* Of the last request: why it failed, for a message; and the Retry-After that came with it. */
const char *receiver__why(const struct receiver *receiver);
uint64_t receiver__retry_after_ns(const struct receiver *receiver); /* 0: none */
/* Its URL without user and password. */
const char *receiver__name(const struct receiver *receiver);

#endif
