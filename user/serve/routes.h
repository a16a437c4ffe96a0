/* SPDX-License-Identifier: BSD-2-Clause */
/* The routes: on which listener, with which parameters and formats. */
#ifndef MEMPROV_ROUTES_H
#define MEMPROV_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "report/format.h"

/* Which listeners a route is on: bits. */
enum listeners {
	ON_DEBUG = 1 << 0,   /* --listen and --socket */
	ON_METRICS = 1 << 1, /* --metrics-listen */
};

enum route_kind {
	ROUTE_REPORT,	 /* of a process, or of the node */
	ROUTE_CALLSITES, /* of a process, or of the node */
	ROUTE_PPROF,	 /* of a process, or of the node */
	ROUTE_PROCESSES,
	ROUTE_FLAMEGRAPH, /* of a process, or of the node */
	ROUTE_HISTORY,
	ROUTE_DIFF,
	ROUTE_ALERTS,
	ROUTE_PAGE,
	ROUTE_HEALTH,
	ROUTE_READY,
	ROUTE_METRICS,
	ROUTE_OOMS,
	ROUTE_OOM, /* of one, by the number that its path ends with */
};

struct route_format {
	const char *type;  /* Content-Type */
	encode_fn *encode; /* NULL: of no report */
	bool whole;	   /* has everything, whatever the parameter top says */
};

struct route {
	const char *path; /* with a slash at its end: a number follows */
	enum route_kind kind;
	unsigned listeners;
	unsigned parameters;		    /* enum parameter, without format, which all take */
	const struct route_format *formats; /* FORMATS of them; no type: not taken */
};

/* What it takes: parameters and formats, as query.h has them. */
unsigned route__takes(const struct route *route);

/* NULL when there is none. */
const struct route *routes__find(const char *path, unsigned listener);

#define ROUTES_LIST_LEN 512

/* "/debug/memory, /debug/memory/processes, …" of a listener. */
void routes__list(unsigned listener, char ret[ROUTES_LIST_LEN]);

#endif
