// SPDX-License-Identifier: BSD-2-Clause
#include "serve/routes.h"

#include <stdio.h>
#include <string.h>

#include "serve/query.h"
#include "util/cleanup.h"

#define OF_LISTS (PARAMETER_TOP | PARAMETER_ALL | PARAMETER_FORMAT | PARAMETER_UNIT)

#define OF_PROCESSES (PARAMETER_PID | PARAMETER_POD | PARAMETER_CONTAINER | PARAMETER_NSPID)

#define OF_REPORTS (OF_LISTS | OF_PROCESSES | PARAMETER_MIN | FORMAT_OF_STACKS)

/* A profile always has everything; its readers choose. */
#define OF_PROFILES (OF_PROCESSES | PARAMETER_MIN | PARAMETER_FORMAT | FORMAT_OF_PROFILES)
#define OF_GRAPHS                                                                                  \
	(PARAMETER_TOP | PARAMETER_ALL | PARAMETER_FORMAT | OF_PROCESSES | PARAMETER_MIN |         \
	 FORMAT_OF_GRAPHS)

/* What has one format takes the parameter too: it says how errors are written. */
static const struct route routes[] = {
	{"/debug/memory", ROUTE_REPORT, ON_DEBUG, OF_REPORTS},
	{"/debug/memory/callsites", ROUTE_CALLSITES, ON_DEBUG, OF_REPORTS},
	{"/debug/memory/pprof", ROUTE_PPROF, ON_DEBUG, OF_PROFILES},
	{"/debug/memory/processes", ROUTE_PROCESSES, ON_DEBUG, OF_LISTS},
	{"/debug/memory/flamegraph", ROUTE_FLAMEGRAPH, ON_DEBUG, OF_GRAPHS},
	{"/", ROUTE_PAGE, ON_DEBUG, PARAMETER_FORMAT},
	{"/metrics", ROUTE_METRICS, ON_DEBUG | ON_METRICS, PARAMETER_FORMAT},
	{"/healthz", ROUTE_HEALTH, ON_DEBUG | ON_METRICS, PARAMETER_FORMAT},
	{"/readyz", ROUTE_READY, ON_DEBUG | ON_METRICS, PARAMETER_FORMAT},
};

const struct route *routes__find(const char *path, unsigned listener)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (routes[i].listeners & listener && !strcmp(routes[i].path, path))
			return &routes[i];
	}
	return NULL;
}

void routes__list(unsigned listener, char ret[ROUTES_LIST_LEN])
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (routes[i].listeners & listener)
			len += snprintf(ret + len, ROUTES_LIST_LEN - len, "%s%s", len ? ", " : "",
					routes[i].path);
	}
}
