// SPDX-License-Identifier: BSD-2-Clause
#include "serve/query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options/options.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/number.h"
#include "util/quote.h"
#include "util/when.h"

static int set_pid(struct query *query, const char *value)
{
	uint64_t pid;
	int err;

	query->self = !strcmp(value, "self");
	if (query->self)
		return 0;
	err = number__parse(value, 1, OPTIONS_PID_MAX, &pid);
	if (!err)
		query->pid = pid;
	return err;
}

static int set_top(struct query *query, const char *value)
{
	uint64_t top;
	int err = number__parse(value, 1, OPTIONS_TOP_MAX, &top);

	if (!err)
		query->top = top;
	return err;
}

static int set_all(struct query *query, const char *value)
{
	uint64_t all;
	int err = number__parse(value, 0, 1, &all);

	if (!err)
		query->all = all;
	return err;
}

static int set_format(struct query *query, const char *value)
{
	enum format format = 0;

	while (format < FORMATS && strcmp(format__name(format), value))
		format++;
	if (format != FORMAT_JSON &&
	    (format == FORMATS || !(query->takes & PARAMETER_OF_FORMAT(format))))
		return -EINVAL;
	if (!query__is_json(query))
		query->format = format;
	return 0;
}

static int set_unit(struct query *query, const char *value)
{
	query->kilobytes = !strcmp(value, "kB");
	return query->kilobytes || !strcmp(value, "MB") ? 0 : -EINVAL;
}

static int set_min(struct query *query, const char *value)
{
	return number__parse_bytes(value, 0, INT64_MAX, &query->min);
}

static int set_by(struct query *query, const char *value)
{
	query->by_touch = !strcmp(value, "touch");
	return query->by_touch || !strcmp(value, "map") ? 0 : -EINVAL;
}

static int set_from(struct query *query, const char *value)
{
	return when__parse_moment(value, query->now_ns, &query->from_ns);
}

static int set_to(struct query *query, const char *value)
{
	return when__parse_moment(value, query->now_ns, &query->to_ns);
}

static int set_step(struct query *query, const char *value)
{
	return when__parse_duration(value, 1, QUERY_STEP_MAX_S, &query->step_s);
}

static int set_reports(struct query *query, const char *value)
{
	uint64_t reports;
	int err = number__parse(value, 0, 1, &reports);

	if (!err)
		query->brief = !reports;
	return err;
}

static int set_trend(struct query *query, const char *value)
{
	uint64_t trend;
	int err = number__parse(value, 2, QUERY_TREND_MAX, &trend);

	if (!err)
		query->trend = trend;
	return err;
}

static int set_start_time(struct query *query, const char *value)
{
	return when__parse_moment(value, query->now_ns, &query->started);
}

static int set_pod(struct query *query, const char *value)
{
	return pod_names__parse(value, &query->pod) ? 0 : -EINVAL;
}

static int set_container(struct query *query, const char *value)
{
	size_t len = strlen(value);

	if (!container__is_id(value, len))
		return -EINVAL;
	memcpy(query->container, value, len + 1);
	return 0;
}

static int set_nspid(struct query *query, const char *value)
{
	uint64_t nspid;
	int err = number__parse(value, 1, OPTIONS_PID_MAX, &nspid);

	if (!err)
		query->nspid = nspid;
	return err;
}

static const struct {
	const char *name;
	enum parameter bit;
	int (*set)(struct query *query, const char *value);
	const char *takes; /* NULL: the route's formats */
} parameters[] = {
	{"pid", PARAMETER_PID, set_pid, "a process ID from 1 to 4194304, or self"},
	{"top", PARAMETER_TOP, set_top, "a number from 1 to 10000"},
	{"all", PARAMETER_ALL, set_all, "0 or 1"},
	{"format", PARAMETER_FORMAT, set_format, NULL},
	{"unit", PARAMETER_UNIT, set_unit, "MB or kB"},
	{"min", PARAMETER_MIN, set_min, "a number of bytes, with a suffix k, M or G if wanted"},
	{"by", PARAMETER_BY, set_by, "map or touch"},
	{"pod", PARAMETER_POD, set_pod, "NAMESPACE/NAME"},
	{"container", PARAMETER_CONTAINER, set_container,
	 "a container's id, or at least its first 12 digits"},
	{"nspid", PARAMETER_NSPID, set_nspid,
	 "a process ID as the container has it, from 1 to 4194304"},
	{"from", PARAMETER_FROM, set_from, WHEN_TAKES_MOMENT},
	{"to", PARAMETER_TO, set_to, WHEN_TAKES_MOMENT},
	{"step", PARAMETER_STEP, set_step, WHEN_TAKES_DURATION},
	{"start_time", PARAMETER_START_TIME, set_start_time, WHEN_TAKES_MOMENT},
	{"reports", PARAMETER_REPORTS, set_reports, "0 or 1"},
	{"trend", PARAMETER_TREND, set_trend, "a number from 2 to 120"},
};

void query__init(struct query *query, unsigned takes)
{
	memset(query, 0, sizeof(*query));
	query->takes = takes;
	query->top = 20;
	query->now_ns = query->to_ns = clock__wall_ns();
	query->from_ns = query->now_ns - QUERY_LENGTH_S * NSEC_PER_SEC;
	query->format = takes & PARAMETER_OF_FORMAT(FORMAT_HTML) ? FORMAT_HTML : FORMAT_TEXT;
}

/* "text, json or pprof" */
static void list_formats(const struct query *query, char *ret, size_t size)
{
	unsigned left = query->takes / PARAMETER_OF_FORMAT(0);
	size_t len = 0;

	ret[0] = '\0';
	for (enum format format = 0; format < FORMATS; format++, left >>= 1) {
		if (left & 1)
			len += snprintf(ret + len, size - len, "%s%s",
					!len	    ? ""
					: left == 1 ? " or "
						    : ", ",
					format__name(format));
	}
}

static void fail_unknown(struct query *query, const char *name, bool elsewhere)
{
	char quoted[QUOTE_LEN], known[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		if (query->takes & parameters[i].bit)
			len += snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "",
					parameters[i].name);
	}
	snprintf(query->error, sizeof(query->error), "%s '%s'; this route takes %s",
		 elsewhere ? "no place for the parameter" : "unknown parameter",
		 quote__text(name, quoted), len ? known : "none");
}

void query__add(struct query *query, const char *name, const char *value)
{
	bool first = !query->error[0], repeated, takes;
	char quoted[QUOTE_LEN], formats[64];
	const char *expected;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(parameters) && strcmp(parameters[i].name, name); i++)
		;
	if (i == ARRAY_SIZE(parameters)) {
		if (first)
			fail_unknown(query, name, false);
		return;
	}
	repeated = query->given & parameters[i].bit;
	takes = query->takes & parameters[i].bit;
	query->given |= parameters[i].bit;
	/* Also when an error is certain by now: format=json says how to write it. */
	err = value ? parameters[i].set(query, value) : -EINVAL;
	if (!first)
		return;
	list_formats(query, formats, sizeof(formats));
	expected = parameters[i].takes ?: formats;
	if (!takes)
		fail_unknown(query, name, true);
	else if (repeated)
		snprintf(query->error, sizeof(query->error),
			 "%s: given more than once; takes one value: %s", name, expected);
	else if (!value)
		snprintf(query->error, sizeof(query->error), "%s: the value is missing; takes %s",
			 name, expected);
	else if (err)
		snprintf(query->error, sizeof(query->error), "%s: '%s' is %s; takes %s", name,
			 quote__text(value, quoted),
			 err == -ERANGE ? "out of range" : "not understood", expected);
}

/* Each names other processes. */
static const struct {
	unsigned one, other;
	const char *message;
} conflicts[] = {
	{PARAMETER_PID, PARAMETER_POD, "pid and pod exclude each other; takes one of them"},
	{PARAMETER_PID, PARAMETER_CONTAINER,
	 "pid and container exclude each other; takes one of them"},
	{PARAMETER_PID, PARAMETER_NSPID, "pid and nspid exclude each other; takes one of them"},
	{PARAMETER_POD, PARAMETER_CONTAINER,
	 "pod and container exclude each other; takes one of them"},
	{PARAMETER_POD, PARAMETER_NSPID,
	 "pod and nspid exclude each other: a pod's containers have a PID 1 each; takes "
	 "container with nspid"},
};

void query__set_id(struct query *query, const char *text)
{
	char quoted[QUOTE_LEN];

	if (number__parse(text, 1, UINT64_MAX, &query->id) && !query->error[0])
		snprintf(query->error, sizeof(query->error),
			 "the path ends with %s; takes the number of an entry of /debug/memory/oom",
			 quote__text(text, quoted));
}

void query__end(struct query *query)
{
	const char *message = NULL;

	for (size_t i = 0; !message && i < ARRAY_SIZE(conflicts); i++) {
		if (query->given & conflicts[i].one && query->given & conflicts[i].other)
			message = conflicts[i].message;
	}
	if (!message && query->given & PARAMETER_NSPID && !(query->given & PARAMETER_CONTAINER))
		message = "nspid: takes the container, too: nspid=N&container=ID";
	if (!message && query->given & PARAMETER_START_TIME && !(query->given & PARAMETER_PID))
		message = "start_time: takes the pid, too: pid=N&start_time=TIME";
	/* An hour until the moment that is given, too. */
	if (query->given & PARAMETER_TO && !(query->given & PARAMETER_FROM))
		query->from_ns = query->to_ns > QUERY_LENGTH_S * NSEC_PER_SEC
					 ? query->to_ns - QUERY_LENGTH_S * NSEC_PER_SEC
					 : 0;
	if (!message && query->from_ns >= query->to_ns)
		message = "from: it is not before to; takes an earlier time, such as -2h";
	if (message && !query->error[0])
		snprintf(query->error, sizeof(query->error), "%s", message);
}
