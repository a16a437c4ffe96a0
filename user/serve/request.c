// SPDX-License-Identifier: BSD-2-Clause
#include "serve/request.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/refs.h"

#define WORKERS	 4
#define QUEUE	 64
#define HELD_MAX (64UL << 20)

/* The lock is held. */
static void resume(struct request *request)
{
	TAILQ_REMOVE(&request->all->waiting, request, entry);
	request->state = REQUEST_ANSWERED;
	MHD_resume_connection(request->connection);
}

static void work(void *job)
{
	_cleanup_(answer__free) struct answer answer = {};
	struct request *request = job;
	struct requests *all = request->all;
	struct caller caller;
	size_t len;

	if (admission__caller(all->admission, &request->client, request->query.json, &caller,
			      &answer))
		reporter__answer(&all->reporter, request->route->kind, &request->query, &caller,
				 &answer);
	len = answer.body.len;
	pthread_mutex_lock(&all->lock);
	if (request->state == REQUEST_WAITING) {
		if (all->held && all->held + len > HELD_MAX) {
			answer__fail(&answer, ERROR_TOO_BUSY, request->query.json,
				     "too many large reports wait to be taken by their clients");
			len = answer.body.len;
		}
		request->answer = answer;
		memset(&answer, 0, sizeof(answer));
		request->held = len;
		all->held += len;
		resume(request);
	}
	pthread_mutex_unlock(&all->lock);
	request__put(request);
}

int requests__init(struct requests *all, const struct reporter *reporter,
		   const struct admission *admission)
{
	memset(all, 0, sizeof(*all));
	TAILQ_INIT(&all->waiting);
	all->reporter = *reporter;
	all->admission = admission;
	pthread_mutex_init(&all->lock, NULL);
	return jobs__new(WORKERS, QUEUE, work, &all->jobs);
}

void requests__destroy(struct requests *all)
{
	pthread_mutex_destroy(&all->lock);
}

void requests__abandon(struct requests *all)
{
	struct request *request;

	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	while ((request = TAILQ_FIRST(&all->waiting))) {
		answer__fail(&request->answer, ERROR_TOO_BUSY, request->query.json,
			     "the daemon is stopping");
		resume(request);
	}
	pthread_mutex_unlock(&all->lock);
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
	pthread_mutex_unlock(&request->all->lock);
	client__put(&request->client);
	answer__free(&request->answer);
	free(request);
}

bool request__submit(struct request *request)
{
	struct requests *all = request->all;
	int err;

	pthread_mutex_lock(&all->lock);
	err = all->stopping ? -ESHUTDOWN : 0;
	if (!err) {
		/* The lock keeps a quick worker from resuming what is not yet suspended. */
		refs__get(&request->refs);
		err = jobs__submit(all->jobs, request);
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
	pthread_mutex_unlock(&all->lock);
	if (err)
		answer__fail(&request->answer, ERROR_TOO_BUSY, request->query.json, "%s",
			     err == -EAGAIN ? "too many reports are being taken; try again soon"
					    : "the daemon is stopping");
	return !err;
}
