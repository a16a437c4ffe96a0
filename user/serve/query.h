/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parameters of a request (docs/http.md), from names and values that were already cut
 * apart and decoded. Pure. Add them in the order they came, then ask for the error.
 */
#ifndef MEMPROV_QUERY_H
#define MEMPROV_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/pod_logs.h"
#include "report/format.h"

/* One bit for each parameter, in masks of what a route takes. */
enum parameter {
	PARAMETER_PID = 1 << 0,
	PARAMETER_TOP = 1 << 1,
	PARAMETER_ALL = 1 << 2,
	PARAMETER_FORMAT = 1 << 3,
	PARAMETER_UNIT = 1 << 4,
	PARAMETER_MIN = 1 << 5,
	PARAMETER_POD = 1 << 6,
	PARAMETER_CONTAINER = 1 << 7,
	PARAMETER_NSPID = 1 << 8,
	PARAMETER_BY = 1 << 9,
	PARAMETER_FROM = 1 << 10,
	PARAMETER_TO = 1 << 11,
	PARAMETER_STEP = 1 << 12,
	PARAMETER_START_TIME = 1 << 13,
	PARAMETER_TREND = 1 << 14,
	PARAMETER_REPORTS = 1 << 15,
};

/* What the parameter format may be: further bits of the same masks. */
#define PARAMETER_OF_FORMAT(format) (1u << (16 + (format)))

#define QUERY_ERROR_LEN 256

#define QUERY_LENGTH_S	 3600ULL /* of history, when nothing else is asked for */
#define QUERY_STEP_MAX_S (3650ULL * 24 * 3600)
#define QUERY_TREND_MAX	 120

struct query {
	unsigned takes; /* the parameters that the route has */
	unsigned given; /* those that were there, once or more */

	pid_t pid;			      /* 0: not given */
	bool self;			      /* pid=self */
	struct pod_names pod;		      /* its namespace and name; "": not given */
	char container[CONTAINER_ID_LEN + 1]; /* the beginning of its id; "": not given */
	pid_t nspid;			      /* 0: not given; comes with container */
	size_t top;
	bool all;
	enum format format; /* json once that was given: then errors are JSON, whatever is wrong */
	bool kilobytes;
	uint64_t min; /* bytes */
	bool by_touch;
	uint64_t id;		 /* at the end of the path */
	uint64_t now_ns;	 /* since 1970: what ages count from */
	uint64_t from_ns, to_ns; /* now and an hour before, unless they are given */
	uint64_t step_s;	 /* 0: not given */
	uint64_t started;	 /* ns since 1970; 0: not given */
	size_t trend;		 /* 0: not given */
	bool brief;		 /* reports=0 */

	char error[QUERY_ERROR_LEN]; /* the first thing that was wrong, one line; "": nothing */
};

void query__init(struct query *query, unsigned takes);

static inline bool query__is_json(const struct query *query)
{
	return query->format == FORMAT_JSON;
}

/* value is NULL when there was no '='. What is wrong shows in query->error. */
void query__add(struct query *query, const char *name, const char *value);

/* What the path ends with, where the route has a number there. */
void query__set_id(struct query *query, const char *text);

/* They were all: what does not go together shows in query->error now. */
void query__end(struct query *query);

#endif
