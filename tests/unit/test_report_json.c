// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "report/encode.h"
#include "sample_report.h"
#include "util/cleanup.h"
#include "util/clock.h"

static const struct encode_options defaults = {.top = 20};

static json_t *parse(struct buf *text)
{
	json_error_t error;
	json_t *json;

	assert_int_equal(buf__error(text), 0);
	json = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("%s at %d: %s", error.text, error.position, text->data);
	return json;
}

static json_t *encode(const struct report *report, const struct encode_options *options)
{
	_cleanup_buf_ struct buf text = {0};

	encode__json(report, options, &text);
	return parse(&text);
}

/* The keys of an object, in order, are these, separated by spaces. */
#define KINDS "hugetlb lazyfree ksm anon_huge_pages shmem_pmd_mapped file_pmd_mapped"

static void assert_keys(json_t *object, const char *expected)
{
	_cleanup_buf_ struct buf keys = {0};
	const char *key;
	json_t *value;

	assert_true(json_is_object(object));
	json_object_foreach(object, key, value)
		buf__printf(&keys, "%s%s", keys.len ? " " : "", key);
	assert_string_equal(keys.data, expected);
}

static void assert_string(json_t *object, const char *key, const char *expected)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_string(value));
	assert_string_equal(json_string_value(value), expected);
}

static void assert_number(json_t *object, const char *key, uint64_t expected)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	assert_int_equal(json_integer_value(value), expected);
}

static void assert_json_null(json_t *object, const char *key)
{
	assert_true(json_is_null(json_object_get(object, key)));
}

/* All numbers called `key`, or every number when key is NULL, anywhere below. */
static uint64_t sum(json_t *json, const char *key)
{
	uint64_t total = 0;
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach(json, name, value)
	{
		if (json_is_integer(value))
			total += !key || !strcmp(name, key) ? json_integer_value(value) : 0;
		else
			total += sum(value, key);
	}
	json_array_foreach(json, i, value) total += sum(value, key);
	return total;
}

static int setup(void **state)
{
	*state = sample_report__new();
	return *state ? 0 : -1;
}

static int setup_node(void **state)
{
	*state = sample_node__new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	report__free(*state);
	return 0;
}

static void test_process(void **state)
{
	json_t *json = encode(*state, &defaults), *part, *region;

	assert_keys(json, "schema version taken_at pid start_time comm exe runtime container "
			  "cgroup consistency tracing totals breakdown coverage regions callsites "
			  "callsites_left_out "
			  "touch");
	assert_number(json, "schema", 1);
	assert_string(json, "version", MEMPROV_VERSION);
	assert_string(json, "taken_at", "2026-11-22T21:31:07.123456Z");
	assert_number(json, "pid", 4242);
	assert_string(json, "start_time", "2026-11-22T21:30:00.000000Z");
	assert_string(json, "comm", "teranode.run");
	assert_string(json, "exe", "/app/teranode.run");
	assert_string(json, "runtime", "go");
	assert_json_null(json, "container");
	assert_string(json, "consistency", "exact");

	part = json_object_get(json, "cgroup");
	assert_keys(part, "path current limit working_set");
	assert_number(part, "current", 8000 * MB);
	assert_json_null(part, "limit");

	part = json_object_get(json, "tracing");
	assert_keys(part, "state since backend lost_events");
	assert_string(part, "state", "complete");
	assert_string(part, "since", "2026-11-22T21:13:20.000000Z");

	assert_keys(json_object_get(json, "totals"), "virtual rss pss swap " KINDS);
	assert_number(json_object_get(json, "totals"), "virtual", 12288 * MB);
	part = json_object_get(json, "breakdown");
	assert_keys(part, "runtime named file_backed anonymous other");
	assert_keys(json_object_get(part, "runtime"), "heap stack metadata");
	assert_keys(json_object_get(part, "anonymous"), "read_write read_only executable");
	part = json_array_get(json_object_get(part, "named"), 0);
	assert_keys(part, "name rss virtual regions");
	assert_string(part, "name", "TXMetaCache");

	assert_int_equal(json_array_size(json_object_get(json, "regions")), 1);
	region = json_array_get(json_object_get(json, "regions"), 0);
	assert_keys(region,
		    "start end perms offset inode rss pss private shared swap " KINDS
		    " rss_source name name_source named_by origin inherited callsite tid thread "
		    "created_at touch_samples");
	assert_string(region, "start", "0x7f8a40000000");
	assert_string(region, "end", "0x7f8b78800000");
	assert_string(region, "rss_source", "smaps");
	assert_string(region, "name", "[anon: TXMetaCache]");
	assert_string(region, "name_source", "prctl");
	assert_number(region, "anon_huge_pages", 2 * MB);
	assert_number(region, "hugetlb", 0);
	assert_string(region, "origin", "mmap");
	assert_true(json_is_false(json_object_get(region, "inherited")));
	assert_json_null(region, "named_by");
	assert_json_null(region, "callsite");
	assert_number(region, "tid", 4250);
	assert_string(region, "thread", "worker-3");
	assert_int_equal(json_array_size(json_object_get(json, "callsites")), 0);
	json_decref(json);
}

static void test_sums(void **state)
{
	struct report *report = *state;
	json_t *json, *breakdown;
	uint64_t parts;

	report->by_category[CATEGORY_OTHER] = 12345;
	report->totals.rss += 12345;
	report->by_coverage[COVERAGE_UNKNOWN] = 12345;
	json = encode(report, &defaults);
	breakdown = json_object_get(json, "breakdown");
	parts = sum(json_object_get(breakdown, "runtime"), NULL) +
		sum(json_object_get(breakdown, "named"), "rss") +
		sum(json_object_get(breakdown, "file_backed"), "rss") +
		sum(json_object_get(breakdown, "anonymous"), NULL) +
		json_integer_value(json_object_get(breakdown, "other"));
	assert_int_equal(parts, report->totals.rss);
	assert_int_equal(sum(json_object_get(json, "coverage"), NULL), report->totals.rss);
	json_decref(json);
}

/* "A value that is not known is null, never 0 and never a guess." */
static void test_unknown_is_null(void **state)
{
	struct report *report = *state;
	json_t *json, *region;

	report->exe = NULL;
	report->cgroup = NULL;
	report->racing = true;
	report->tracing.state = TRACING_OFF;
	report->tracing.since = 0;
	report->tracing.backend = "none";
	report->regions[0].name = NULL;
	report->regions[0].name_source = NAME_NONE;
	report->regions[0].tid = 0;
	report->regions[0].thread[0] = '\0';
	report->regions[0].created_ns = 0;
	report->regions[0].origin = ORIGIN_UNKNOWN;
	json = encode(report, &defaults);
	assert_json_null(json, "exe");
	assert_json_null(json, "cgroup");
	assert_string(json, "consistency", "racing");
	assert_string(json_object_get(json, "tracing"), "state", "off");
	assert_json_null(json_object_get(json, "tracing"), "since");
	region = json_array_get(json_object_get(json, "regions"), 0);
	assert_json_null(region, "name");
	assert_string(region, "name_source", "none");
	assert_json_null(region, "tid");
	assert_json_null(region, "thread");
	assert_json_null(region, "created_at");
	assert_string(region, "origin", "unknown");
	json_decref(json);
}

static void test_created_at(void **state)
{
	struct report *report = *state;
	char now[CLOCK_TEXT_LEN], later[CLOCK_TEXT_LEN];
	uint64_t boot = clock__boot_ns();
	const char *created;
	json_t *json;

	report->regions[0].created_ns = boot;
	clock__format(clock__wall_ns() - NSEC_PER_SEC, now);
	json = encode(report, &defaults);
	clock__format(clock__wall_ns() + NSEC_PER_SEC, later);
	created = json_string_value(
		json_object_get(json_array_get(json_object_get(json, "regions"), 0), "created_at"));
	assert_non_null(created);
	assert_true(strcmp(now, created) < 0 && strcmp(created, later) < 0);
	json_decref(json);
}

/* The sites of first touch, of which as many are shown as of call sites. */
static void test_touch(void **state)
{
	static struct callsite site = {.owner = -1, .source = STACK_SOURCE_CFI};
	static struct site_row rows[] = {
		{.site = &site, .owner = -1, .rss = 300, .rss_error = 20, .samples = 7},
		{.site = &site, .owner = -1, .rss = 100, .rss_error = 10, .samples = 2}};
	struct encode_options options = {.top = 1};
	struct report *report = *state;
	json_t *json = encode(report, &options), *touch, *row;

	touch = json_object_get(json, "touch");
	assert_keys(touch, "state since resident sampled unsampled samples sites");
	assert_string(touch, "state", "off");
	assert_json_null(touch, "since");
	assert_int_equal(json_array_size(json_object_get(touch, "sites")), 0);
	json_decref(json);
	report->touch = (struct report_touch){.state = TOUCH_REPORT_ON,
					      .since = report->taken_at,
					      .resident = 500,
					      .sampled = 400,
					      .unsampled = 100,
					      .samples = 9,
					      .sites = rows,
					      .n_sites = 2};
	json = encode(report, &options);
	touch = json_object_get(json, "touch");
	assert_string(touch, "state", "on");
	assert_number(touch, "resident", 500);
	assert_number(touch, "sampled", 400);
	assert_number(touch, "unsampled", 100);
	assert_number(touch, "samples", 9);
	assert_int_equal(json_array_size(json_object_get(touch, "sites")), 1);
	row = json_array_get(json_object_get(touch, "sites"), 0);
	assert_keys(row, "id rss rss_error samples first_seen last_seen owner stack_source "
			 "truncated stack");
	assert_number(row, "rss", 300);
	assert_number(row, "rss_error", 20);
	json_decref(json);
	options.all = true;
	json = encode(report, &options);
	touch = json_object_get(json, "touch");
	assert_int_equal(sum(json_object_get(touch, "sites"), "rss"), 400);
	json_decref(json);
	report->touch.n_sites = 0; /* they are not the report's to let go */
}

static void test_top_and_all(void **state)
{
	static struct named_row named[] = {{"a", 9, 10, 1}, {"b", 8, 11, 2}, {"c", 7, 12, 3}};
	static struct part regions[3];
	struct encode_options options = {.top = 1};
	struct report *report = *state;
	json_t *json, *rows, *last;

	report->named = named;
	report->n_named = ARRAY_SIZE(named);
	report->regions = regions;
	report->n_regions = ARRAY_SIZE(regions);
	json = encode(report, &options);
	rows = json_object_get(json_object_get(json, "breakdown"), "named");
	assert_int_equal(json_array_size(rows), 2);
	last = json_array_get(rows, 1);
	assert_string(last, "name", "(2 others)");
	assert_number(last, "rss", 15);
	assert_number(last, "virtual", 23);
	assert_number(last, "regions", 5);
	assert_int_equal(json_array_size(json_object_get(json, "regions")), 1);
	json_decref(json);

	options.all = true;
	json = encode(report, &options);
	rows = json_object_get(json_object_get(json, "breakdown"), "named");
	assert_int_equal(json_array_size(rows), 3);
	assert_int_equal(json_array_size(json_object_get(json, "regions")), 3);
	json_decref(json);
}

static void test_hostile_names(void **state)
{
	struct report *report = *state;
	json_t *json;

	report->comm = "\"},\n\x1b\xff";
	report->exe = "/tmp/\xed\xa0\x80\\";
	report->regions[0].name = "[anon: \xf0\x28\x8c\x28]";
	report->named[0].name = "\x80\x81";
	report->files[1].name = "Binary \"\n";
	memcpy(report->regions[0].thread, "\xe2\x80", 3);
	json = encode(report, &defaults);
	assert_string(json, "comm", "\"},\n\x1b\xef\xbf\xbd");
	assert_string(json, "exe", "/tmp/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\");
	json_decref(json);
}

static void test_node(void **state)
{
	const struct encode_options one = {.top = 1};
	json_t *json = encode(*state, &defaults), *rows, *row;

	assert_keys(json, "schema version taken_at pid start_time comm exe runtime container "
			  "cgroup consistency tracing totals breakdown coverage regions callsites "
			  "callsites_left_out "
			  "touch processes unreadable_processes");
	assert_json_null(json, "pid");
	assert_json_null(json, "start_time");
	assert_json_null(json, "comm");
	assert_json_null(json, "exe");
	assert_json_null(json, "runtime");
	assert_json_null(json, "cgroup");
	assert_number(json, "unreadable_processes", 3);
	rows = json_object_get(json, "processes");
	assert_int_equal(json_array_size(rows), 2);
	row = json_array_get(rows, 0);
	assert_keys(row,
		    "pid comm rss pss swap " KINDS " growth container largest_name growth_since "
		    "age_ms pss_age_ms");
	assert_number(row, "pid", 4242);
	assert_number(row, "growth", -3 * (int64_t)MB - 5);
	assert_string(row, "growth_since", "2026-11-22T21:30:07.123456Z");
	assert_number(row, "age_ms", 2000);
	assert_number(row, "pss_age_ms", 3000);
	row = json_array_get(rows, 1);
	assert_string(row, "comm", "evil\n\x1b[2J");
	assert_json_null(row, "pss");
	assert_json_null(row, "growth");
	assert_json_null(row, "growth_since");
	assert_number(row, "age_ms", 0);
	assert_json_null(row, "pss_age_ms");
	json_decref(json);

	json = encode(*state, &one);
	assert_int_equal(json_array_size(json_object_get(json, "processes")), 1);
	json_decref(json);
}

static void test_processes(void **state)
{
	const struct encode_options one = {.top = 1}, whole = {.all = true};
	_cleanup_buf_ struct buf text = {0}, first = {0};
	json_t *json;

	encode__processes_json(*state, &one, &first);
	json = parse(&first);
	assert_int_equal(json_array_size(json_object_get(json, "processes")), 1);
	json_decref(json);
	encode__processes_json(*state, &whole, &text);
	json = parse(&text);
	assert_keys(json, "schema version taken_at processes unreadable_processes");
	assert_int_equal(json_array_size(json_object_get(json, "processes")), 2);
	assert_number(json, "unreadable_processes", 3);
	json_decref(json);
}

/* Every value of every enumeration has its name, and only those of the contract. */
static void test_names(void **state)
{
	static const char *const origins[] = {"mmap",  "brk",	 "mremap",   "shmat",  "exec",
					      "stack", "kernel", "predates", "unknown"};
	size_t i;

	assert_int_equal(ORIGINS, ARRAY_SIZE(origins));
	for (i = 0; i < ORIGINS; i++)
		assert_string_equal(origin__name(i), origins[i]);
	assert_string_equal(name_source__name(NAME_KERNEL), "kernel");
	assert_string_equal(name_source__name(NAME_INFERRED), "inferred");
	assert_string_equal(name_source__name(NAME_FILE), "file");
	assert_string_equal(rss_source__name(RSS_PAGEMAP), "pagemap");
	assert_string_equal(rss_source__name(RSS_ESTIMATED), "estimated");
	assert_string_equal(runtime__name(RUNTIME_NATIVE), "native");
	assert_string_equal(runtime__name(RUNTIME_JAVA), "java");
	assert_string_equal(runtime__name(RUNTIME_NODE), "node");
	assert_string_equal(runtime__name(RUNTIME_PYTHON), "python");
	assert_string_equal(tracing_state__name(TRACING_SINCE_ATTACH), "since_attach");
	assert_string_equal(tracing_state__name(TRACING_RESYNCED), "resynced");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_is_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_created_at, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_top_and_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_node, setup_node, teardown),
		cmocka_unit_test_setup_teardown(test_processes, setup_node, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("report_json", tests, NULL, NULL);
}
