// SPDX-License-Identifier: BSD-2-Clause
/* What the flame graph is drawn from: nothing is lost, nothing is counted twice, and no name gets
 * out of the page's data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "made_sites.h"
#include "sample_report.h"
#include "serve/accept.h"
#include "util/cleanup.h"
#include "web/web.h"

static const struct encode_options whole = {.all = true};

/* Two call sites that share their outer frame, and something without one. */
static struct report *new_report(void)
{
	static const struct frame one[] = {{.function = "mmap", .module = "/lib/libc.so.6"},
					   {.function = "main", .module = "/bin/a"}};
	static const struct frame two[] = {{.module = "/bin/a", .offset = 0x1234},
					   {.function = "</script><script>", .module = "/bin/a"},
					   {.function = "main", .module = "/bin/a"}};
	struct report *report = sample_report__new();

	report->totals.rss = 60 * MB;
	report->totals.size = 130 * MB;
	report->n_sites = 2;
	report->sites = arena__alloc(report->strings, 2 * sizeof(*report->sites));
	report->sites[0] = (struct site_row){.site = make_site(one, 2, false),
					     .rss = 30 * MB,
					     .mapped = 70 * MB,
					     .by_class = {[CATEGORY_NAMED] = {20 * MB, 50 * MB},
							  [CATEGORY_ANON_RW] = {10 * MB, 20 * MB}}};
	report->sites[1] = (struct site_row){.site = make_site(two, 3, true),
					     .rss = 10 * MB,
					     .mapped = 30 * MB,
					     .by_class = {[CATEGORY_ANON_RW] = {10 * MB, 30 * MB}}};
	report->siteless[COVERAGE_PREDATES][CATEGORY_LIBRARY] =
		(struct class_bytes){20 * MB, 25 * MB};
	report->siteless[COVERAGE_KERNEL][CATEGORY_OTHER] = (struct class_bytes){0, 5 * MB};
	return report;
}

static int setup(void **state)
{
	*state = new_report();
	return 0;
}

static int teardown(void **state)
{
	report__free(*state);
	return 0;
}

static json_t *encode(const struct report *report, const struct encode_options *options)
{
	_cleanup_buf_ struct buf text = {};
	json_error_t error;
	json_t *json;

	web__flamegraph_json(report, options, &text);
	assert_int_equal(buf__error(&text), 0);
	json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("%s at %d: %s", error.text, error.position, text.data);
	return json;
}

/* The frames of a stack, outermost first: "main mmap", notes in brackets. */
static void assert_stack(json_t *json, size_t i, const char *expected)
{
	json_t *stack = json_array_get(json_object_get(json, "stacks"), i), *index;
	_cleanup_buf_ struct buf text = {};
	size_t at;

	json_array_foreach(json_object_get(stack, "frames"), at, index)
	{
		json_t *frame =
			json_array_get(json_object_get(json, "frames"), json_integer_value(index));
		const char *note = json_string_value(json_object_get(frame, "note"));
		const char *function = json_string_value(json_object_get(frame, "function"));
		const char *offset = json_string_value(json_object_get(frame, "offset"));

		buf__printf(&text, note ? "%s[%s]" : "%s%s", at ? " " : "",
			    note ?: function ?: offset);
	}
	assert_string_equal(text.data, expected);
}

static void assert_sum(json_t *json, size_t place, uint64_t expected)
{
	json_t *stack, *bytes;
	uint64_t sum = 0;
	size_t i, j;

	json_array_foreach(json_object_get(json, "stacks"), i, stack)
	{
		json_array_foreach(json_object_get(stack, "bytes"), j, bytes) sum +=
			json_integer_value(json_array_get(bytes, place));
	}
	assert_int_equal(sum, expected);
}

static void test_all_of_it(void **state)
{
	json_t *json = encode(*state, &whole);

	assert_int_equal(json_array_size(json_object_get(json, "stacks")), 4);
	assert_stack(json, 0, "main mmap");
	assert_stack(json, 1, "[truncated] main </script><script> 0x1234");
	assert_stack(json, 2, "[predates tracing]");
	assert_stack(json, 3, "[exec and kernel]");
	/* main is written once. */
	assert_int_equal(json_array_size(json_object_get(json, "frames")), 7);
	assert_sum(json, 1, 60 * MB);
	assert_sum(json, 2, 130 * MB);
	json_decref(json);
}

static void test_what_is_left_out_is_summed(void **state)
{
	const struct encode_options top = {.top = 1}, min = {.all = true, .min = 20 * MB};
	const struct encode_options nothing = {.all = true, .min = 1000 * MB};
	json_t *json;

	for (int i = 0; i < 2; i++) {
		json = encode(*state, i ? &min : &top);
		assert_stack(json, 0, "main mmap");
		assert_stack(json, 1, "[call sites left out]");
		assert_sum(json, 1, 60 * MB);
		assert_sum(json, 2, 130 * MB);
		json_decref(json);
	}
	json = encode(*state, &nothing);
	assert_stack(json, 0, "[call sites left out]");
	assert_sum(json, 1, 60 * MB);
	json_decref(json);
}

static void test_names_stay_in_the_data(void **state)
{
	_cleanup_buf_ struct buf page = {};
	const char *data, *end;

	web__flamegraph(*state, &whole, &page);
	assert_int_equal(buf__error(&page), 0);
	data = strstr(page.data, "id=\"data\">");
	assert_non_null(data);
	data += strlen("id=\"data\">");
	end = strchr(data, '<');
	assert_non_null(end);
	assert_memory_equal(end, "</script>", strlen("</script>"));
	assert_non_null(memmem(data, end - data, "\\u003c/script>\\u003cscript>", 27));
	assert_null(strstr(page.data, "@DATA@"));
}

static void test_pages(void **state)
{
	_cleanup_buf_ struct buf plain = {}, compressed = {};

	web__page(false, &plain);
	web__page(true, &compressed);
	assert_memory_equal(plain.data, "<!doctype html>", 15);
	assert_memory_equal(compressed.data, "\x1f\x8b", 2);
	assert_true(compressed.len < plain.len);
	assert_non_null(strstr(web__page_policy(), "default-src 'none'; "));
	assert_null(strstr(web__page_policy(), "unsafe"));
	assert_null(strchr(web__page_policy(), '\n'));
}

static void test_accepting_gzip(void **state)
{
	static const char *const yes[] = {"gzip",	  "GZIP",	  "br, gzip",
					  "gzip;q=0.001", " , gzip ;q=1", "deflate;q=0, gzip",
					  "gzip, *;q=0"};
	static const char *const no[] = {"",	     "gzi",	    "gzipped",	    "x-gzip",
					 "gzip;q=0", "gzip; q=0.0", "identity, br", ",,,;;;",
					 "*"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!accept__gzip(yes[i]))
			fail_msg("refused: %s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (accept__gzip(no[i]))
			fail_msg("accepted: %s", no[i]);
	assert_false(accept__gzip(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_of_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_left_out_is_summed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_stay_in_the_data, setup, teardown),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_accepting_gzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
