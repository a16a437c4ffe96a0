// SPDX-License-Identifier: BSD-2-Clause
/* A query string, cut at '&' and '=' but not decoded. What is accepted is in range; what is not is
 * refused in one printable line, as JSON if format=json was there. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "options/options.h"
#include "serve/host.h"
#include "serve/query.h"
#include "serve/routes.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_result(const struct query *query, bool json)
{
	check(query__is_json(query) == json);
	check(memchr(query->error, '\0', sizeof(query->error)));
	for (const char *c = query->error; *c; c++)
		check(*c >= ' ' && *c <= '~');
	if (query->error[0])
		return;
	check(!(query->given & ~query->takes));
	check(query->pid >= 0 && query->pid <= OPTIONS_PID_MAX);
	check(!(query->pid && query->self));
	check(!query->nspid || query->container[0]);
	check(!query->pod.pod[0] == !query->pod.namespace[0]);
	check(!!query->pod.pod[0] + !!query->container[0] + (query->pid || query->self) <= 1);
	check(!query->container[0] || container__is_id(query->container, strlen(query->container)));
	check(query->top >= 1 && query->top <= OPTIONS_TOP_MAX);
	check(query->min <= INT64_MAX);
	check(query->from_ns < query->to_ns);
	check(query->step_s <= QUERY_STEP_MAX_S);
	check(!query->started || query->pid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	/* Behind a '!' stand parameters of history. */
	bool history = size && *data == '!';
	const struct route *route =
		routes__find(history ? "/debug/memory/history" : "/debug/memory", ON_DEBUG);
	char *rest = text ? text + history : NULL, *name, *value;
	struct query query;
	bool json = false;

	if (!text)
		return 0;
	host__is_ours(text, "a.example,b");
	query__init(&query, route__takes(route));
	while ((name = strsep(&rest, "&"))) {
		value = strchr(name, '=');
		if (value)
			*value++ = '\0';
		json |= value && !strcmp(name, "format") && !strcmp(value, "json");
		query__add(&query, name, value);
	}
	query__end(&query);
	check_result(&query, json);
	return 0;
}
