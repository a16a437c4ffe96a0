/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a request.
 *
 *   handler on an MHD thread                       worker
 *   NEW ── suspend, queue ──▶ WAITING ── report ──▶ ANSWERED ── resume ──▶ handler replies
 *                                ├── server__stop, put out ──▶ ANSWERED (503), resumed there
 *                                └── the worker is stuck: queued again, for another
 *
 * A request that waits has two holders, the connection and the job. The connection cannot go while
 * it is suspended (libmicrohttpd does not look at its socket), so the thread that takes a request
 * from WAITING to ANSWERED, under the lock, may resume it; no other may touch the connection. A
 * worker that comes too late, or that another has replaced, just puts its hold back.
 *
 * Each lane has workers and a queue of its own, so that requests over TCP, however many, do not
 * keep the unix socket and the metrics waiting.
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
struct crew;
struct visitor;

enum request_state { REQUEST_NEW, REQUEST_WAITING, REQUEST_ANSWERED };

enum lane { LANE_TCP, LANE_UNIX, LANE_METRICS, LANES };

#define REQUEST_WORKERS 7 /* of all lanes */

struct request {
	struct job job; /* with the source of the request */
	enum lane lane;
	TAILQ_ENTRY(request) entry; /* while waiting, or while its answer is held */
	struct requests *all;
	struct MHD_Connection *connection;
	const struct route *route;
	struct query query;
	struct client client;	  /* known before it is submitted */
	enum request_state state; /* under the lock while a job holds the request */
	struct answer answer;	  /* complete once ANSWERED */
	size_t held;		  /* bytes of the answer counted in requests.held */
	struct visitor *runner;	  /* the one that may answer */
	unsigned restarts;
	unsigned refs;
};

struct requests {
	pthread_mutex_t lock;
	TAILQ_HEAD(request_list, request) waiting;
	struct request_list holding; /* answers that clients have not taken yet */
	bool stopping;
	size_t held; /* bytes of these */
	const struct admission *admission;
	struct reporter reporter;
	struct jobs *jobs[LANES];
};

/* admission must outlive it. 0 or -errno. */
int requests__init(struct requests *all, const struct reporter *reporter,
		   const struct admission *admission, struct crew *crew);
/* Only after all requests are gone, and the crew. Also after a start that failed. */
void requests__destroy(struct requests *all);

/* From here on no request waits: waiting ones are answered with 503 and resumed. After the crew's
 * end. */
void requests__abandon(struct requests *all);

/* Held once, by the connection. NULL when out of memory. */
struct request *request__new(struct requests *all, struct MHD_Connection *connection);
void request__put(struct request *request); /* accepts NULL */

/* With its lane and its source. True: the connection is suspended until the report is there. False:
 * it was refused at once. */
bool request__submit(struct request *request);

#endif
