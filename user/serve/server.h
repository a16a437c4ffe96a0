/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's HTTP side: its listeners, their limits, and the life of a request. */
#ifndef MEMPROV_SERVER_H
#define MEMPROV_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct crew;
struct options;
struct report;
struct server;
struct growth;
struct history;
struct sampler;
struct blackbox;
struct taker;

/* Opens the listeners: clients that connect wait until it starts. Options must outlive it. 0, or
 * -errno after logging in one line what could not be done. */
int server__open(const struct options *options, struct server **ret);

/* Everything pointed to must outlive the server. The functions get ctx and are called on several
 * threads at once. */
struct server_config {
	struct taker *taker;
	struct sampler *sampler;
	struct blackbox *blackbox;
	struct history *history;
	struct growth *growth;
	struct crew *crew; /* with REQUEST_WORKERS threads to spare */
	/* For /readyz: false with why not, one line. Must not block. */
	bool (*ready)(void *ctx, char *ret_why, size_t len);
	/* For /metrics; node is NULL when it could not be taken. */
	void (*metrics)(void *ctx, const struct report *node, struct buf *ret);
	void (*took)(void *ctx, uint64_t ns); /* a report was taken; may be NULL */
	void *ctx;
};

/* Starts its threads: it answers. The result as above; server__stop in any case. */
int server__start(struct server *server, const struct server_config *config);

/* Where it really listens, "127.0.0.1:6060", also when port 0 was asked for. NULL for metrics when
 * there is no such listener. */
const char *server__address(const struct server *server);
bool server__has_tls(const struct server *server);
const char *server__metrics_address(const struct server *server);

/*
 * Stops within a second, whatever the clients and the kernel do, and the crew too. 0 when the
 * server is gone and the crew has ended. -EBUSY when a thread is stuck in the kernel: it, the
 * server and the taker are left behind, so the caller frees neither the taker nor what it uses, and
 * ends the program.
 */
int server__stop(struct server *server);

#endif
