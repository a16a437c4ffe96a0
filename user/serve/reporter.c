// SPDX-License-Identifier: BSD-2-Clause
#include "serve/reporter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "blackbox/blackbox.h"
#include "proc/hidepid.h"
#include "proc/self.h"
#include "report/encode.h"
#include "report/take.h"
#include "sampler/sampler.h"
#include "serve/list_trends.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "web/web.h"

#define PROFILE_FILE "attachment; filename=\"memprov.pb.gz\""

static void free_report(struct report **report)
{
	report__free(*report);
}

static void fail_taking(const struct reporter *reporter, struct answer *answer, int err, pid_t pid,
			bool json)
{
	char what[32] = "the node";

	if (pid)
		snprintf(what, sizeof(what), "process %d", pid);
	switch (-err) {
	case ESRCH:
		answer__fail(
			answer, ERROR_NO_SUCH_PROCESS, json,
			"there is no %s, or it has no memory (a zombie, a kernel thread)%s", what,
			hidepid__hides_others(reporter->proc)
				? ", or it is hidden: the daemon lacks CAP_SYS_PTRACE, and "
				  "/proc is mounted with hidepid"
				: "; /debug/memory/processes and 'memprov top' list those that "
				  "can be read");
		break;
	case EIDRM:
		answer__fail(answer, ERROR_PROCESS_EXITED, json,
			     "%s exited while it was being read", what);
		break;
	case EACCES:
	case EPERM:
		answer__fail(answer, ERROR_FORBIDDEN, json,
			     "not allowed to read %s: the daemon lacks the right to ptrace it (%s)",
			     what, strerror(-err));
		break;
	case ENOBUFS:
		answer__fail(answer, ERROR_TOO_BUSY, json,
			     "a report of %s takes more memory than the daemon has left "
			     "(--memory-limit); try again soon, or ask for less (top, min)",
			     what);
		break;
	case ETIMEDOUT:
		answer__fail(answer, ERROR_UNREADABLE, json,
			     "%s cannot be read: it keeps readers of its memory map waiting; "
			     "other requests are refused until it lets go",
			     what);
		break;
	case EUSERS:
		answer__fail(answer, ERROR_UNREADABLE, json,
			     "%s cannot be read for now: too many processes of its user keep "
			     "readers of their memory maps waiting",
			     what);
		break;
	case ECANCELED:
		answer__fail(answer, ERROR_TOO_BUSY, json, "the daemon is stopping");
		break;
	default:
		answer__fail(answer, ERROR_KERNEL_REFUSED, json, "reading %s failed: %s", what,
			     strerror(-err));
	}
}

/* What a query by its pod or its container could not have. */
static void fail_group(const struct reporter *reporter, struct answer *answer, int err,
		       const struct query *query)
{
	bool pod = query->pod.pod[0];
	char what[POD_NAMESPACE_MAX + POD_NAME_MAX + 16];

	if (pod)
		snprintf(what, sizeof(what), "pod %s/%s", query->pod.namespace, query->pod.pod);
	else
		snprintf(what, sizeof(what), "container %s", query->container);
	if (err == -ESRCH && query->nspid)
		answer__fail(answer, ERROR_NO_SUCH_PROCESS, query__is_json(query),
			     "no process of %s has the number %d there", what, query->nspid);
	else if (err == -ESRCH)
		answer__fail(answer, pod ? ERROR_NO_SUCH_POD : ERROR_NO_SUCH_CONTAINER,
			     query__is_json(query), "no process of this node is in %s", what);
	else if (err == -ENOTUNIQ && query->nspid)
		answer__fail(answer, ERROR_BAD_PARAMETER, query__is_json(query),
			     "nspid: several processes of %s have the number %d, each in a PID "
			     "namespace of its own; takes their pid",
			     what, query->nspid);
	else if (err == -ENOTUNIQ)
		answer__fail(answer, ERROR_BAD_PARAMETER, query__is_json(query),
			     "container: the ids of several begin with %s; takes more of it",
			     query->container);
	else if (err == -EACCES)
		answer__fail(answer, ERROR_FORBIDDEN, query__is_json(query),
			     "not allowed to read any process of %s", what);
	else if (err == -ETIMEDOUT && !query->nspid)
		answer__fail(answer, ERROR_UNREADABLE, query__is_json(query),
			     "%s cannot be read: its processes keep readers of their memory "
			     "maps waiting",
			     what);
	else
		fail_taking(reporter, answer, err, 0, query__is_json(query));
}

static struct encode_options options_of(const struct route *route, const struct query *query)
{
	return (struct encode_options){
		.top = query->top,
		/* The list of all processes and the graph are cut only on request. */
		.all = query->all ||
		       ((route->kind == ROUTE_PROCESSES || route->kind == ROUTE_FLAMEGRAPH) &&
			!(query->given & PARAMETER_TOP)),
		.unit = query->kilobytes ? UNIT_KB : UNIT_MB,
		.min = query->min,
		.by_touch = query->by_touch,
	};
}

static int take_one(const struct reporter *reporter, const struct route *route, pid_t pid,
		    const struct query *query, const struct asker *asker, struct report **ret)
{
	const struct encode_options options = options_of(route, query);
	struct detail detail = encode__detail(route->formats[query->format].encode, &options);

	return taker__process(reporter->taker, pid, detail, asker->caller, asker->visitor, ret);
}

static int take_group(const struct reporter *reporter, const struct route *route,
		      const struct query *query, const struct asker *asker, struct report **ret)
{
	bool profile = route->formats[query->format].encode == encode__pprof;
	const struct selector selector = {
		.container = query->container[0] ? query->container : NULL,
		.namespace = query->pod.namespace,
		.pod = query->pod.pod,
	};
	pid_t pid;
	int err;

	if (!query->nspid)
		return taker__group(reporter->taker, &selector, profile, asker->caller,
				    asker->visitor, ret);
	err = taker__nspid(reporter->taker, &selector, query->nspid, asker->caller, &pid);
	return err ? err : take_one(reporter, route, pid, query, asker, ret);
}

static bool is_of_group(const struct query *query)
{
	return query->pod.pod[0] || query->container[0];
}

static void add_trends(const struct reporter *reporter, const struct query *query,
		       const struct caller *caller, struct report *report)
{
	const struct list_trends wanted = {
		.history = reporter->history,
		.proc = reporter->proc,
		.caller = caller,
		.n = query->trend,
		.rows = query->given & PARAMETER_TOP && !query->all ? query->top : SIZE_MAX,
	};

	list_trends__add(&wanted, report);
}

static int take(const struct reporter *reporter, const struct route *route, pid_t pid,
		const struct query *query, const struct asker *asker, struct report **ret)
{
	bool profile = route->formats[query->format].encode == encode__pprof;
	uint64_t start = clock__boot_ns();
	int err;

	if (is_of_group(query))
		err = take_group(reporter, route, query, asker, ret);
	else if (pid)
		err = take_one(reporter, route, pid, query, asker, ret);
	else if (route->kind == ROUTE_PROCESSES || route->kind == ROUTE_METRICS)
		err = sampler__list(reporter->sampler, asker->caller, asker->visitor, ret);
	else
		err = (profile ? taker__node_profile : taker__node)(reporter->taker, asker->caller,
								    asker->visitor, ret);
	if (!err)
		sampler__add_growth(reporter->sampler, *ret);
	if (!err && query->trend)
		add_trends(reporter, query, asker->caller, *ret);
	if (!err && reporter->took)
		reporter->took(reporter->ctx, clock__boot_ns() - start);
	return err;
}

static void encode(const struct report *report, const struct route *route,
		   const struct query *query, struct answer *answer)
{
	const struct route_format *format = &route->formats[query->format];
	const struct encode_options options = options_of(route, query);

	if (format->encode == web__flamegraph)
		answer__page(answer, web__flamegraph_policy());
	else if (format->encode == encode__pprof)
		answer__ok_file(answer, format->type, PROFILE_FILE);
	else
		answer__ok(answer, format->type);
	format->encode(report, &options, &answer->body);
}

/* What is written of a region, of a frame, and of a figure of a trend. */
#define REGION_BYTES 512
#define FRAME_BYTES  256
#define TREND_BYTES  16
#define ROOM_WAIT_MS 2000

/* Before anything is written: what it may come to. */
static int reserve(struct report *report, bool whole, const struct query *query)
{
	size_t regions = report->n_regions + report->n_profile_rows, sites = report->n_sites;
	size_t bytes = report->n_processes * (REGION_BYTES + query->trend * TREND_BYTES);

	if (!whole && regions > query->top)
		regions = query->top;
	if (!whole && sites > query->top)
		sites = query->top;
	for (size_t i = 0; i < sites; i++)
		bytes += report->sites[i].site->n * FRAME_BYTES;
	return reservation__grow(&report->memory, bytes + regions * REGION_BYTES, ROOM_WAIT_MS);
}

/* From here on it holds what the text takes; the report goes. */
static void pass_on_room(struct report *report, struct answer *answer)
{
	answer->memory = report->memory;
	report->memory = (struct reservation){0};
	reservation__shrink(&answer->memory, answer->body.cap);
}

static void answer_oom(const struct reporter *reporter, const struct route *route,
		       const struct query *query, const struct asker *asker, struct answer *answer)
{
	bool json = query__is_json(query);
	int err = 0;

	answer__ok(answer, route->formats[query->format].type);
	if (route->kind == ROUTE_OOM)
		err = blackbox__encode_one(reporter->blackbox, asker->caller, query->id, json,
					   &answer->body);
	else
		blackbox__encode(reporter->blackbox, asker->caller, json, query->brief,
				 &answer->body);
	if (err == -EACCES)
		answer__fail(answer, ERROR_FORBIDDEN, json,
			     "not allowed to read entry %" PRIu64
			     ": the process was another user's",
			     query->id);
	else if (err)
		answer__fail(answer, ERROR_NO_SUCH_OOM, json,
			     "there is no entry %" PRIu64 "; the last %d are kept", query->id,
			     OOMS_MAX);
	else if (buf__error(&answer->body))
		fail_taking(reporter, answer, -ENOMEM, 0, json);
}

void reporter__answer(const struct reporter *reporter, const struct route *route,
		      const struct query *query, const struct asker *asker, struct answer *answer)
{
	const struct route_format *format = &route->formats[query->format];
	_cleanup_(free_report) struct report *report = NULL;
	pid_t pid = 0;
	int err;

	if (route->kind == ROUTE_OOMS || route->kind == ROUTE_OOM) {
		answer_oom(reporter, route, query, asker, answer);
		return;
	}
	if (route->parameters & PARAMETER_PID)
		pid = query->self ? self__pid(reporter->proc) : query->pid ?: reporter->pid;
	err = take(reporter, route, pid, query, asker, &report);
	if (!err)
		err = reserve(report, query->all || format->whole, query);
	if (route->kind == ROUTE_METRICS && err != -ECANCELED) {
		/* The tracer's own figures are wanted most when the rest fails. */
		answer__ok(answer, TYPE_METRICS);
		reporter->metrics(reporter->ctx, report, &answer->body);
	} else if (!err) {
		encode(report, route, query, answer);
		pass_on_room(report, answer);
	} else if (is_of_group(query)) {
		fail_group(reporter, answer, err, query);
	} else {
		/* To a caller from which /proc hides others' processes, they are not there. */
		if (err == -EACCES && !asker->caller->everything && hidepid__is_set(reporter->proc))
			err = -ESRCH;
		fail_taking(reporter, answer, err, pid, query__is_json(query));
	}
	if (buf__error(&answer->body))
		fail_taking(reporter, answer, -ENOMEM, pid, query__is_json(query));
}
