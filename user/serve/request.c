// SPDX-License-Identifier: BSD-2-Clause
#include "serve/request.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "serve/alerts.h"
#include "serve/past.h"
#include "util/cleanup.h"
#include "util/refs.h"

#define HELD_MAX (64UL << 20)

/* In each of so many processes a reader was stuck before they were marked. */
#define RESTARTS_MAX 20

static const struct {
	size_t workers;
	size_t queue;
} lanes[LANES] = {
	[LANE_TCP] = {4, 64},
	[LANE_UNIX] = {2, 64},
	[LANE_METRICS] = {1, 16},
};
_Static_assert(REQUEST_WORKERS == 4 + 2 + 1, "as the header says");

static const char too_busy[] = "too many reports are being taken; try again soon";

/* The lock is held. */
static void resume(struct request *request)
{
	TAILQ_REMOVE(&request->all->waiting, request, entry);
	request->state = REQUEST_ANSWERED;
	MHD_resume_connection(request->connection);
}

/* The lock is held. */
static void refuse(struct request *request, const char *why)
{
	answer__fail(&request->answer, ERROR_TOO_BUSY, query__is_json(&request->query), "%s", why);
	resume(request);
}

/* A source may hold half of what the others leave, and one report in any case. */
static bool may_hold(const struct requests *all, const struct request *request, size_t len)
{
	const struct request *other;
	size_t own = 0, others;

	TAILQ_FOREACH (other, &all->holding, entry) {
		if (other->job.source == request->job.source)
			own += other->held;
	}
	others = all->held - own;
	if (!own)
		return !others || others + len <= 2 * HELD_MAX;
	return others < HELD_MAX && own + len <= (HELD_MAX - others) / 2;
}

static void deliver(struct request *request, struct answer *answer)
{
	struct requests *all = request->all;
	size_t len = answer->body.len;

	if (!may_hold(all, request, len)) {
		refuse(request, "too many large reports wait to be taken by their clients");
		return;
	}
	request->answer = *answer;
	memset(answer, 0, sizeof(*answer));
	resume(request);
	request->held = len;
	all->held += len;
	if (len)
		TAILQ_INSERT_TAIL(&all->holding, request, entry);
}

static struct request *request_of(struct job *job)
{
	return (struct request *)((char *)job - offsetof(struct request, job));
}

static bool begin(struct request *request, struct visitor *visitor)
{
	bool wanted;

	pthread_mutex_lock(&request->all->lock);
	wanted = request->state == REQUEST_WAITING;
	if (wanted)
		request->runner = visitor;
	pthread_mutex_unlock(&request->all->lock);
	return wanted;
}

static reporter_fn *answer_from(const struct request *request)
{
	enum route_kind kind = request->route->kind;

	switch (kind) {
	case ROUTE_HISTORY:
	case ROUTE_DIFF:
		return past__answer;
	case ROUTE_ALERTS:
		return alerts__answer;
	default:
		return reporter__answer;
	}
}

static void run(struct job *job, struct visitor *visitor)
{
	_cleanup_(answer__free) struct answer answer = {};
	struct request *request = request_of(job);
	struct requests *all = request->all;
	struct caller caller;

	if (begin(request, visitor) &&
	    admission__caller(all->admission, &request->client, query__is_json(&request->query),
			      &caller, &answer)) {
		caller.source = job->source;
		answer_from(request)(&all->reporter, request->route, &request->query,
				     &(struct asker){&caller, visitor}, &answer);
	}
	pthread_mutex_lock(&all->lock);
	if (request->state == REQUEST_WAITING && request->runner == visitor)
		deliver(request, &answer);
	pthread_mutex_unlock(&all->lock);
	request__put(request);
}

/* Another worker begins anew, and leaves out the process that this one is stuck in. */
static void stuck(struct job *job, struct visitor *visitor)
{
	struct request *request = request_of(job);
	struct requests *all = request->all;

	pthread_mutex_lock(&all->lock);
	if (request->state == REQUEST_WAITING && request->runner == visitor) {
		request->runner = NULL;
		refs__get(&request->refs);
		if (++request->restarts > RESTARTS_MAX ||
		    jobs__submit_again(all->jobs[request->lane], job)) {
			request->refs--;
			refuse(request, "too many processes cannot be read");
		}
	}
	pthread_mutex_unlock(&all->lock);
}

int requests__init(struct requests *all, const struct reporter *reporter,
		   const struct admission *admission, struct crew *crew)
{
	int err = 0;

	memset(all, 0, sizeof(*all));
	TAILQ_INIT(&all->waiting);
	TAILQ_INIT(&all->holding);
	all->reporter = *reporter;
	all->admission = admission;
	pthread_mutex_init(&all->lock, NULL);
	for (int i = 0; !err && i < LANES; i++) {
		const struct jobs_config config = {
			.crew = crew,
			.threads = lanes[i].workers,
			.at_once = (lanes[i].workers + 1) / 2,
			.queue = lanes[i].queue,
			.run = run,
			.stuck = stuck,
		};

		err = jobs__new(&config, &all->jobs[i]);
	}
	return err;
}

void requests__destroy(struct requests *all)
{
	for (int i = 0; i < LANES; i++)
		jobs__free(all->jobs[i]);
	pthread_mutex_destroy(&all->lock);
}

void requests__abandon(struct requests *all)
{
	struct request *request;
	struct job *job;

	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	while ((request = TAILQ_FIRST(&all->waiting)))
		refuse(request, "the daemon is stopping");
	pthread_mutex_unlock(&all->lock);
	for (int i = 0; i < LANES; i++) {
		while (all->jobs[i] && (job = jobs__take_back(all->jobs[i])))
			request__put(request_of(job));
	}
}

struct request *request__new(struct requests *all, struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->all = all;
	request->connection = connection;
	request->refs = 1;
	request->client = CLIENT_TRUSTED;
	return request;
}

void request__put(struct request *request)
{
	if (!request || !refs__put(&request->refs))
		return;
	pthread_mutex_lock(&request->all->lock);
	request->all->held -= request->held;
	if (request->held)
		TAILQ_REMOVE(&request->all->holding, request, entry);
	pthread_mutex_unlock(&request->all->lock);
	client__put(&request->client);
	answer__free(&request->answer);
	free(request);
}

bool request__submit(struct request *request)
{
	struct requests *all = request->all;
	struct job *out = NULL;
	int err;

	pthread_mutex_lock(&all->lock);
	err = all->stopping ? -ESHUTDOWN : 0;
	if (!err) {
		/* The lock keeps a quick worker from resuming what is not yet suspended. */
		refs__get(&request->refs);
		err = jobs__submit(all->jobs[request->lane], &request->job, &out);
		if (err)
			request->refs--;
	}
	if (!err) {
		MHD_suspend_connection(request->connection);
		request->state = REQUEST_WAITING;
		TAILQ_INSERT_TAIL(&all->waiting, request, entry);
	} else {
		request->state = REQUEST_ANSWERED;
	}
	if (out && request_of(out)->state == REQUEST_WAITING)
		refuse(request_of(out), too_busy);
	pthread_mutex_unlock(&all->lock);
	if (out)
		request__put(request_of(out));
	if (err)
		answer__fail(&request->answer, ERROR_TOO_BUSY, query__is_json(&request->query),
			     "%s", err == -ESHUTDOWN ? "the daemon is stopping" : too_busy);
	return !err;
}
