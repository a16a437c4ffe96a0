// SPDX-License-Identifier: BSD-2-Clause
#include "serve/past.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "diff/diff_encode.h"
#include "diff/difference.h"
#include "history/encode.h"
#include "history/history.h"
#include "history/moment.h"
#include "proc/self.h"
#include "serve/remembered.h"
#include "util/arena.h"
#include "util/cleanup.h"

/* --- what is asked for ------------------------------------------------------------------------ */

struct past {
	const struct reporter *reporter;
	const struct route *route;
	const struct query *query;
	const struct asker *asker;
	struct answer *answer;
	pid_t pid;
	sqlite3 *db;
	struct arena *arena;
	struct selection selection;
};

#define NAME_LEN (POD_NAMESPACE_MAX + POD_NAME_MAX + 32)

static const char *name_of(const struct past *p, char ret[NAME_LEN])
{
	if (p->pid)
		snprintf(ret, NAME_LEN, "process %d", p->pid);
	else if (p->query->pod.pod[0])
		snprintf(ret, NAME_LEN, "pod %s/%s", p->query->pod.namespace, p->query->pod.pod);
	else if (p->query->container[0])
		snprintf(ret, NAME_LEN, "container %s", p->query->container);
	else
		snprintf(ret, NAME_LEN, "the node");
	return ret;
}

static enum answer_error not_there(const struct past *p)
{
	return p->query->pod.pod[0]	? ERROR_NO_SUCH_POD
	       : p->query->container[0] ? ERROR_NO_SUCH_CONTAINER
					: ERROR_NO_SUCH_PROCESS;
}

static void fail(struct past *p, int err)
{
	bool json = query__is_json(p->query);
	char name[NAME_LEN];

	name_of(p, name);
	switch (-err) {
	case ESRCH:
		answer__fail(p->answer, not_there(p), json, "there is no history of %s%s", name,
			     p->query->started ? " that started then" : "");
		break;
	case ENODATA:
		answer__fail(p->answer, not_there(p), json,
			     "there is no history of %s in that time", name);
		break;
	case EACCES:
		answer__fail(
			p->answer, ERROR_FORBIDDEN, json,
			"not allowed to read the history of %s: it takes a caller who may read "
			"every process%s",
			name, p->pid ? ", or its own user" : "");
		break;
	case ENOTUNIQ:
		answer__fail(p->answer, ERROR_BAD_PARAMETER, json,
			     "container: the ids of several begin with %s; takes more of it",
			     p->query->container);
		break;
	case EDOM:
		answer__fail(p->answer, ERROR_BAD_PARAMETER, json,
			     "step: there are more than %d from from to to; takes a longer one",
			     TIMELINE_MOMENTS_MAX);
		break;
	case EAGAIN:
	case EBUSY:
		answer__fail(p->answer, ERROR_TOO_BUSY, json,
			     "history is not there yet, or is being written; try again soon");
		break;
	default:
		answer__fail(p->answer, ERROR_KERNEL_REFUSED, json,
			     "reading the history of %s failed: %s", name, strerror(-err));
	}
}

/* --- answers ---------------------------------------------------------------------------------- */

static int answer_timeline(struct past *p)
{
	const struct query *query = p->query;
	const struct timeline_query asked = {
		.from_ns = query->from_ns,
		.to_ns = query->to_ns,
		.step_s = query->step_s,
		.by_touch = query->by_touch,
		.top = query->all ? SIZE_MAX : query->top,
	};
	const struct encode_options options = {
		.unit = query->kilobytes ? UNIT_KB : UNIT_MB,
		.by_touch = query->by_touch,
	};
	struct timeline timeline;
	int err = timeline__read(p->db, &p->selection, &asked, p->arena, &timeline);

	if (err)
		return err;
	answer__ok(p->answer, p->route->formats[query->format].type);
	if (query__is_json(query))
		timeline__encode_json(&timeline, &p->selection, &options, &p->answer->body);
	else
		timeline__encode_text(&timeline, &p->selection, &options, &p->answer->body);
	return buf__error(&p->answer->body);
}

static int answer_difference(struct past *p)
{
	static const char *const no_files[2];
	const struct diff_options options = {
		.files = no_files,
		.top = p->query->top,
		.all = p->query->all,
	};
	_cleanup_difference_ struct difference *difference = NULL;
	_cleanup_saved_ struct saved *a = NULL, *b = NULL;
	int err = moment__read(p->db, &p->selection, p->query->from_ns, false, &a);

	err = err ?: moment__read(p->db, &p->selection, p->query->to_ns, true, &b);
	/* Nothing is known in between. */
	if (!err && strcmp(a->taken_at, b->taken_at) > 0)
		err = -ENODATA;
	err = err ?: difference__new(a, b, &difference);
	if (err)
		return err;
	answer__ok(p->answer, TYPE_JSON);
	diff_encode__json(difference, &options, &p->answer->body);
	return buf__error(&p->answer->body);
}

static bool may_read(const struct past *p)
{
	const struct remembered remembered = {p->pid, p->selection.start_ticks, p->selection.owner};

	return remembered__may_read(&remembered, p->reporter->proc, p->asker->caller);
}

static int open_and_find(struct past *p)
{
	const struct history_selector selector = {
		.pid = p->pid,
		.started = p->query->started,
		.container = p->query->container[0] ? p->query->container : NULL,
		.namespace = p->query->pod.pod[0] ? p->query->pod.namespace : NULL,
		.pod = p->query->pod.pod[0] ? p->query->pod.pod : NULL,
	};
	int err = history__open(p->reporter->history, &p->db);

	p->arena = err ? NULL : arena__new();
	if (!err && !p->arena)
		err = -ENOMEM;
	/* All of it is of one state of the store. */
	err = err ?: db__exec(p->db, "BEGIN");
	err = err ?: selection__find(p->db, &selector, p->arena, &p->selection);
	/* What may not be read might as well not exist, where others are hidden. */
	if (!err && !may_read(p))
		err = -EACCES;
	return err;
}

void past__answer(const struct reporter *reporter, const struct route *route,
		  const struct query *query, const struct asker *asker, struct answer *answer)
{
	struct past p = {.reporter = reporter,
			 .route = route,
			 .query = query,
			 .asker = asker,
			 .answer = answer};
	_cleanup_db_ sqlite3 *db = NULL;
	_cleanup_arena_ struct arena *arena = NULL;
	int err;

	if (query->self)
		p.pid = self__pid(reporter->proc);
	else if (!query->pod.pod[0] && !query->container[0])
		p.pid = query->pid ?: reporter->pid;
	err = open_and_find(&p);
	db = p.db;
	arena = p.arena;
	if (!err)
		err = route->kind == ROUTE_HISTORY ? answer_timeline(&p) : answer_difference(&p);
	if (err)
		fail(&p, err);
}
