// SPDX-License-Identifier: BSD-2-Clause
#include "serve/routes.h"

#include <stdio.h>
#include <string.h>

#include "report/encode.h"
#include "serve/answer.h"
#include "serve/query.h"
#include "util/cleanup.h"
#include "web/web.h"

#define OF_LISTS     (PARAMETER_TOP | PARAMETER_ALL | PARAMETER_UNIT)
#define OF_PROCESSES (PARAMETER_PID | PARAMETER_POD | PARAMETER_CONTAINER | PARAMETER_NSPID)
#define OF_REPORTS   (OF_LISTS | OF_PROCESSES | PARAMETER_MIN | PARAMETER_BY)
/* A profile always has everything; its readers choose. */
#define OF_PROFILES (OF_PROCESSES | PARAMETER_MIN)
#define OF_HISTORY                                                                                 \
	(PARAMETER_PID | PARAMETER_POD | PARAMETER_CONTAINER | PARAMETER_START_TIME |              \
	 PARAMETER_FROM | PARAMETER_TO | PARAMETER_TOP | PARAMETER_ALL)
#define OF_GRAPHS (PARAMETER_TOP | PARAMETER_ALL | OF_PROCESSES | PARAMETER_MIN | PARAMETER_BY)

static const struct route_format of_reports[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_TEXT, encode__text},
	[FORMAT_JSON] = {TYPE_JSON, encode__json},
	[FORMAT_PPROF] = {TYPE_PPROF, encode__pprof, true},
	[FORMAT_FOLDED] = {TYPE_TEXT, encode__folded, true},
};
static const struct route_format of_callsites[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_TEXT, encode__callsites_text},
	[FORMAT_JSON] = {TYPE_JSON, encode__callsites_json},
	[FORMAT_PPROF] = {TYPE_PPROF, encode__pprof, true},
	[FORMAT_FOLDED] = {TYPE_TEXT, encode__folded, true},
};
static const struct route_format of_profiles[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_PPROF, encode__pprof, true},
	[FORMAT_JSON] = {TYPE_PPROF, encode__pprof, true},
	[FORMAT_PPROF] = {TYPE_PPROF, encode__pprof, true},
};
static const struct route_format of_processes[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_TEXT, encode__processes_text},
	[FORMAT_JSON] = {TYPE_JSON, encode__processes_json},
};
static const struct route_format of_graphs[FORMATS] = {
	[FORMAT_HTML] = {TYPE_HTML, web__flamegraph, true},
	[FORMAT_JSON] = {TYPE_JSON, web__flamegraph_json, true},
};
/* These are of no report: serve/reporter.c, serve/past.c and serve/alerts.c write them. */
static const struct route_format of_lists[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_TEXT},
	[FORMAT_JSON] = {TYPE_JSON},
};
static const struct route_format of_differences[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_JSON},
	[FORMAT_JSON] = {TYPE_JSON},
};
/* What has one format takes the parameter too: it says how errors are written. */
static const struct route_format of_others[FORMATS] = {
	[FORMAT_TEXT] = {TYPE_TEXT},
	[FORMAT_JSON] = {TYPE_TEXT},
};

static const struct route routes[] = {
	{"/debug/memory", ROUTE_REPORT, ON_DEBUG, OF_REPORTS, of_reports},
	{"/debug/memory/callsites", ROUTE_CALLSITES, ON_DEBUG, OF_REPORTS, of_callsites},
	{"/debug/memory/pprof", ROUTE_PPROF, ON_DEBUG, OF_PROFILES, of_profiles},
	{"/debug/memory/processes", ROUTE_PROCESSES, ON_DEBUG, OF_LISTS | PARAMETER_TREND,
	 of_processes},
	{"/debug/memory/flamegraph", ROUTE_FLAMEGRAPH, ON_DEBUG, OF_GRAPHS, of_graphs},
	{"/debug/memory/oom", ROUTE_OOMS, ON_DEBUG, PARAMETER_REPORTS, of_lists},
	{"/debug/memory/oom/", ROUTE_OOM, ON_DEBUG, 0, of_lists},
	{"/debug/memory/history", ROUTE_HISTORY, ON_DEBUG,
	 OF_HISTORY | PARAMETER_STEP | PARAMETER_BY | PARAMETER_UNIT, of_lists},
	{"/debug/memory/diff", ROUTE_DIFF, ON_DEBUG, OF_HISTORY, of_differences},
	{"/debug/memory/alerts", ROUTE_ALERTS, ON_DEBUG, 0, of_lists},
	{"/", ROUTE_PAGE, ON_DEBUG, 0, of_others},
	{"/metrics", ROUTE_METRICS, ON_DEBUG | ON_METRICS, 0, of_others},
	{"/healthz", ROUTE_HEALTH, ON_DEBUG | ON_METRICS, 0, of_others},
	{"/readyz", ROUTE_READY, ON_DEBUG | ON_METRICS, 0, of_others},
};

unsigned route__takes(const struct route *route)
{
	unsigned takes = route->parameters | PARAMETER_FORMAT;

	for (enum format format = 0; format < FORMATS; format++) {
		if (route->formats[format].type)
			takes |= PARAMETER_OF_FORMAT(format);
	}
	return takes;
}

static bool is_at(const struct route *route, const char *path)
{
	size_t len = strlen(route->path);

	if (len > 1 && route->path[len - 1] == '/')
		return !strncmp(path, route->path, len) && path[len] && !strchr(path + len, '/');
	return !strcmp(route->path, path);
}

const struct route *routes__find(const char *path, unsigned listener)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (routes[i].listeners & listener && is_at(&routes[i], path))
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
			len += snprintf(ret + len, ROUTES_LIST_LEN - len, "%s%s%s", len ? ", " : "",
					routes[i].path, routes[i].kind == ROUTE_OOM ? "ID" : "");
	}
}
