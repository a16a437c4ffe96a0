/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a request.
 *
 *   handler on an MHD thread                       worker
 *   NEW ── suspend, queue ──▶ WAITING ── report ──▶ ANSWERED ── resume ──▶ handler replies
 *                                └── server__stop ──▶ ANSWERED (503), resumed there
 *
 * A request that waits has two holders, the connection and the job. The connection cannot go while
 * it is suspended (libmicrohttpd does not look at its socket), so whoever takes a request from
 * WAITING to ANSWERED, under the lock, may resume it; nobody else may touch the connection. A
 * worker that comes too late just puts its hold back.
 */
#ifndef MEMPROV_REQUEST_H
#define MEMPROV_REQUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "serve/admission.h"
#include "serve/answer.h"
#include "serve/jobs.h"
#include "serve/query.h"
#include "serve/reporter.h"
#include "serve/routes.h"

struct MHD_Connection;

enum request_state { REQUEST_NEW, REQUEST_WAITING, REQUEST_ANSWERED };

struct request {
	TAILQ_ENTRY(request) entry; /* while waiting */
	struct requests *all;
	struct MHD_Connection *connection;
	const struct route *route;
	struct query query;
	struct client client;	  /* known before it is submitted */
	enum request_state state; /* under the lock while a job holds the request */
	struct answer answer;	  /* complete once ANSWERED */
	size_t held;		  /* bytes of the answer counted in requests.held */
	unsigned refs;
};

struct requests {
	pthread_mutex_t lock;
	TAILQ_HEAD(, request) waiting;
	bool stopping;
	size_t held; /* bytes of reports that clients have not taken yet */
	const struct admission *admission;
	struct reporter reporter;
	struct jobs *jobs;
};

/* admission must outlive it. 0 or -errno. */
int requests__init(struct requests *all, const struct reporter *reporter,
		   const struct admission *admission);
void requests__destroy(struct requests *all); /* only after all requests are gone */

/* From here on no request waits any more: those that do are answered with 503 and resumed. */
void requests__abandon(struct requests *all);

/* Held once, by the connection. NULL when out of memory. */
struct request *request__new(struct requests *all, struct MHD_Connection *connection);
void request__put(struct request *request); /* accepts NULL */

/* True: the connection is suspended until the report is there. False: it was answered at once, that
 * there will be none. */
bool request__submit(struct request *request);

#endif
