// SPDX-License-Identifier: BSD-2-Clause
/* The parameters of a request: what is taken, what is refused, and what the refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/query.h"
#include "serve/routes.h"
#include "util/cleanup.h"

#define MAX_PAIRS 4

struct pair {
	const char *name;
	const char *value;
};

static void parse(struct query *query, const struct pair pairs[MAX_PAIRS])
{
	const struct route *route = routes__find("/debug/memory", ON_DEBUG);

	assert_non_null(route);
	query__init(query, route__takes(route));
	for (int i = 0; i < MAX_PAIRS && pairs[i].name; i++)
		query__add(query, pairs[i].name, pairs[i].value);
	query__end(query);
}

static void test_defaults(void **state)
{
	struct pair none[MAX_PAIRS] = {};
	struct query query;

	parse(&query, none);
	assert_string_equal(query.error, "");
	assert_int_equal(query.pid, 0);
	assert_false(query.self);
	assert_int_equal(query.top, 20);
	assert_false(query.all);
	assert_false(query__is_json(&query));
	assert_false(query.kilobytes);
	assert_int_equal(query.min, 0);
}

static void test_what_is_taken(void **state)
{
	struct query query;

	parse(&query, (struct pair[MAX_PAIRS]){
			      {"pid", "4194304"}, {"top", "10000"}, {"all", "1"}, {"min", "4k"}});
	assert_string_equal(query.error, "");
	assert_int_equal(query.pid, 4194304);
	assert_int_equal(query.top, 10000);
	assert_true(query.all);
	assert_int_equal(query.min, 4096);

	parse(&query, (struct pair[MAX_PAIRS]){
			      {"pid", "self"}, {"format", "json"}, {"unit", "kB"}, {"all", "0"}});
	assert_string_equal(query.error, "");
	assert_true(query.self);
	assert_int_equal(query.pid, 0);
	assert_true(query__is_json(&query));
	assert_true(query.kilobytes);
	assert_false(query.all);

	parse(&query, (struct pair[MAX_PAIRS]){
			      {"format", "text"}, {"unit", "MB"}, {"top", "1"}, {"min", "0"}});
	assert_string_equal(query.error, "");
	assert_false(query__is_json(&query));
	assert_false(query.kilobytes);
	assert_int_equal(query.top, 1);

	parse(&query, (struct pair[MAX_PAIRS]){{"pod", "kube-system/etcd.node-1"}});
	assert_string_equal(query.error, "");
	assert_string_equal(query.pod.namespace, "kube-system");
	assert_string_equal(query.pod.pod, "etcd.node-1");

	parse(&query, (struct pair[MAX_PAIRS]){{"nspid", "7"}, {"container", "0123456789ab"}});
	assert_string_equal(query.error, "");
	assert_string_equal(query.container, "0123456789ab");
	assert_int_equal(query.nspid, 7);

	parse(&query, (struct pair[MAX_PAIRS]){{"format", "folded"}});
	assert_string_equal(query.error, "");
	assert_int_equal(query.format, FORMAT_FOLDED);

	parse(&query, (struct pair[MAX_PAIRS]){{"format", "pprof"}});
	assert_string_equal(query.error, "");
	assert_int_equal(query.format, FORMAT_PPROF);
}

static bool has_json(const struct pair pairs[MAX_PAIRS])
{
	for (int i = 0; i < MAX_PAIRS && pairs[i].name; i++) {
		if (pairs[i].value && !strcmp(pairs[i].value, "json"))
			return true;
	}
	return false;
}

static void test_what_is_refused(void **state)
{
	static const struct {
		struct pair pairs[MAX_PAIRS];
		const char *says[2]; /* what was wrong; what is accepted */
	} table[] = {
		{{{"pid", NULL}}, {"pid: the value is missing", "process ID from 1 to 4194304"}},
		{{{"pid", ""}}, {"pid: ''", "process ID"}},
		{{{"pid", "0"}}, {"pid: '0' is out of range", "process ID"}},
		{{{"pid", "4194305"}}, {"out of range", "process ID"}},
		{{{"pid", "99999999999999999999999999"}}, {"out of range", "process ID"}},
		{{{"pid", "-1"}}, {"pid: '-1'", "process ID"}},
		{{{"pid", "+1"}}, {"pid: '+1'", "process ID"}},
		{{{"pid", " 1"}}, {"pid: ' 1'", "process ID"}},
		{{{"pid", "1 "}}, {"pid: '1 '", "process ID"}},
		{{{"pid", "0x1"}}, {"pid: '0x1'", "process ID"}},
		{{{"pid", "1k"}}, {"pid: '1k'", "process ID"}},
		{{{"pid", "1%00"}}, {"pid: '1%00'", "process ID"}},
		{{{"pid", "Self"}}, {"pid: 'Self'", "or self"}},
		{{{"pid", "1"}, {"pid", "1"}}, {"pid: given more than once", "process ID"}},
		{{{"pid", "self"}, {"pid", "1"}}, {"more than once", "process ID"}},
		{{{"top", "0"}}, {"top: '0' is out of range", "1 to 10000"}},
		{{{"top", "10001"}}, {"out of range", "1 to 10000"}},
		{{{"top", "1e3"}}, {"top: '1e3'", "1 to 10000"}},
		{{{"all", NULL}}, {"all: the value is missing", "0 or 1"}},
		{{{"all", "2"}}, {"all: '2'", "0 or 1"}},
		{{{"all", "true"}}, {"all: 'true'", "0 or 1"}},
		{{{"unit", "kb"}}, {"unit: 'kb'", "MB or kB"}},
		{{{"min", "1T"}}, {"min: '1T'", "suffix k, M or G"}},
		{{{"min", "16777216T"}}, {"min: '16777216T'", "suffix"}},
		{{{"min", "99999999999G"}}, {"out of range", "suffix"}},
		{{{"format", "Pprof"}}, {"format: 'Pprof'", "text, json, pprof or folded"}},
		{{{"format", "Folded"}}, {"format: 'Folded'", "text, json, pprof or folded"}},
		{{{"format", "xml"}}, {"format: 'xml'", "text, json, pprof or folded"}},
		{{{"format", "JSON"}}, {"format: 'JSON'", "text, json, pprof or folded"}},
		{{{"", NULL}}, {"unknown parameter ''", "pid, top, all, format, unit, min"}},
		{{{"Pid", "1"}}, {"unknown parameter 'Pid'", "pid, top"}},
		{{{"x\ny\x1b", "1"}}, {"unknown parameter 'x?y?'", "pid, top"}},
		{{{"\xff", "\xff"}}, {"unknown parameter '?'", "pid, top"}},
		{{{"callsite", "1"}}, {"unknown parameter 'callsite'", "pid, top"}},
		{{{"pod", "web"}}, {"pod: 'web'", "NAMESPACE/NAME"}},
		{{{"pod", "a/b/c"}}, {"pod: 'a/b/c'", "NAMESPACE/NAME"}},
		{{{"pod", "/web"}}, {"pod: '/web'", "NAMESPACE/NAME"}},
		{{{"pod", "prod/"}}, {"pod: 'prod/'", "NAMESPACE/NAME"}},
		{{{"pod", "../etc"}}, {"pod: '../etc'", "NAMESPACE/NAME"}},
		{{{"pod", "Prod/Web"}}, {"pod: 'Prod/Web'", "NAMESPACE/NAME"}},
		{{{"container", "0123456789a"}}, {"container: '0123456789a'", "12 digits"}},
		{{{"container", "0123456789AB"}}, {"container: '0123456789AB'", "12 digits"}},
		{{{"container", "nginx"}}, {"container: 'nginx'", "12 digits"}},
		{{{"nspid", "0"}, {"container", "0123456789ab"}}, {"nspid: '0'", "process ID"}},
		{{{"nspid", "1"}}, {"nspid: takes the container", "nspid=N&container=ID"}},
		{{{"pid", "1"}, {"pod", "a/b"}}, {"pid and pod", "one of them"}},
		{{{"pid", "self"}, {"pod", "a/b"}}, {"pid and pod", "one of them"}},
		{{{"container", "0123456789ab"}, {"pid", "1"}},
		 {"pid and container", "one of them"}},
		{{{"container", "0123456789ab"}, {"pid", "1"}, {"nspid", "1"}},
		 {"pid and container", "one of them"}},
		{{{"container", "0123456789ab"}, {"pod", "a/b"}},
		 {"pod and container", "one of them"}},
		{{{"pod", "a/b"}, {"nspid", "1"}}, {"pod and nspid", "container with nspid"}},
		/* The first error is the one that is told. */
		{{{"top", "x"}, {"nope", "1"}}, {"top: 'x'", "1 to 10000"}},
		{{{"nope", "1"}, {"top", "x"}}, {"unknown parameter 'nope'", "pid, top"}},
		/* Errors are JSON once format=json was there, wherever. */
		{{{"format", "json"}, {"pid", "x"}}, {"pid: 'x'", "process ID"}},
		{{{"pid", "x"}, {"format", "json"}}, {"pid: 'x'", "process ID"}},
		{{{"nope", NULL}, {"format", "json"}}, {"unknown", "pid, top"}},
		{{{"format", "json"}, {"format", "text"}},
		 {"format: given", "text, json, pprof or folded"}},
		{{{"format", "text"}, {"format", "json"}},
		 {"format: given", "text, json, pprof or folded"}},
		{{{"format", "xml"}, {"format", "json"}},
		 {"format: 'xml'", "text, json, pprof or folded"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct query query;

		parse(&query, table[i].pairs);
		for (int j = 0; j < 2; j++) {
			if (!strstr(query.error, table[i].says[j]))
				fail_msg("row %zu: '%s' does not say '%s'", i, query.error,
					 table[i].says[j]);
		}
		assert_null(strchr(query.error, '\n'));
		assert_int_equal(query__is_json(&query), has_json(table[i].pairs));
	}
}

static void test_long_names_and_values_fit_a_line(void **state)
{
	char text[100000];
	struct query query;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	parse(&query, (struct pair[MAX_PAIRS]){{text, text}});
	assert_non_null(strstr(query.error, "aaa...'; this route takes pid"));
	parse(&query, (struct pair[MAX_PAIRS]){{"pid", text}});
	assert_non_null(strstr(query.error, "aaa...' is not understood; takes a process ID"));
}

static void test_each_route_has_its_parameters(void **state)
{
	const struct route *processes = routes__find("/debug/memory/processes", ON_DEBUG);
	const struct route *health = routes__find("/healthz", ON_METRICS);
	struct query query;

	assert_non_null(processes);
	query__init(&query, route__takes(processes));
	query__add(&query, "format", "folded");
	assert_string_equal(query.error, "format: 'folded' is not understood; takes text or json");
	query__init(&query, route__takes(processes));
	query__add(&query, "pid", "1");
	assert_string_equal(query.error, "no place for the parameter 'pid'; this route takes top, "
					 "all, format, unit, trend");
	query__init(&query, route__takes(routes__find("/debug/memory/pprof", ON_DEBUG)));
	query__add(&query, "format", "pprof");
	assert_string_equal(query.error, "");
	query__add(&query, "format", "folded");
	assert_non_null(strstr(query.error, "takes one value: text, json or pprof"));
	assert_non_null(health);
	query__init(&query, route__takes(health));
	query__add(&query, "format", "json");
	assert_string_equal(query.error, "");
	/* format=json counts on a route that there is not, too: the 404 is JSON. */
	query__init(&query, 0);
	query__add(&query, "format", "json");
	assert_true(query__is_json(&query));
}

static void test_routes(void **state)
{
	static const char *const missing[] = {
		"",
		"/debug",
		"/debug/memory/",
		"debug",
		"/debug/memory/callsites/",
		"/debug/memory/pprof/",
	};
	char list[ROUTES_LIST_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		assert_null(routes__find(missing[i], ON_DEBUG));
	assert_null(routes__find("/debug/memory", ON_METRICS));
	assert_null(routes__find("/debug/memory/processes", ON_METRICS));
	assert_null(routes__find("/", ON_METRICS));
	assert_null(routes__find("/debug/memory/flamegraph", ON_METRICS));
	assert_non_null(routes__find("/", ON_DEBUG));
	routes__list(ON_METRICS, list);
	assert_string_equal(list, "/metrics, /healthz, /readyz");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_long_names_and_values_fit_a_line),
		cmocka_unit_test(test_each_route_has_its_parameters),
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
