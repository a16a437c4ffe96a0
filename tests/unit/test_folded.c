// SPDX-License-Identifier: BSD-2-Clause
/* Folded stacks, as their readers take them apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "made_sites.h"
#include "report/encode.h"
#include "sample_report.h"
#include "util/cleanup.h"

static struct report *make_report(const char *comm)
{
	struct report *report = report__new();

	report->comm = comm;
	report->sites = arena__alloc(report->strings, 9 * sizeof(*report->sites));
	return report;
}

/* Of one frame, or none. */
static struct callsite *add_site(struct report *report, const char *function, uint64_t rss)
{
	const struct frame frame = {.function = function};
	struct callsite *site = make_site(&frame, !!function, false);

	assert_non_null(site);
	if (!function)
		site->source = STACK_SOURCE_NONE; /* which makes it that of all others */
	report->sites[report->n_sites++] = (struct site_row){.site = site, .rss = rss};
	report->by_coverage[COVERAGE_ATTRIBUTED] += rss;
	return site;
}

static void assert_folded(struct report *report, uint64_t min, const char *expected)
{
	const struct encode_options options = {.top = 1, .min = min};
	_cleanup_buf_ struct buf out = {};

	encode__folded(report, &options, &out);
	assert_int_equal(buf__error(&out), 0);
	assert_string_equal(out.data, expected);
	report__free(report);
}

static void test_everything_is_there(void **state)
{
	struct report *report = make_report("program");

	add_site(report, "grow", 3 * MB);
	add_site(report, "cut", 2 * MB)->truncated = true;
	add_site(report, NULL, MB);
	add_site(report, "only mapped", 0);
	report->by_coverage[COVERAGE_ATTRIBUTED] += 1;
	report->by_coverage[COVERAGE_PREDATES] = 2;
	report->by_coverage[COVERAGE_KERNEL] = 3;
	report->by_coverage[COVERAGE_UNKNOWN] = 4;
	assert_folded(report, 0,
		      "program;grow 3145728\n"
		      "program;[truncated];cut 2097152\n"
		      "program;[other call sites] 1048576\n"
		      "program;[no stack] 1\n"
		      "program;[predates tracing] 2\n"
		      "program;[exec and kernel] 3\n"
		      "program;[unknown] 4\n");
}

/* It must add up to RSS: what is left out of the stacks is one frame. */
static void test_small_call_sites(void **state)
{
	struct report *report = make_report("program");

	add_site(report, "large", 2 * MB);
	add_site(report, "a", MB);
	add_site(report, "b", MB);
	assert_folded(report, 2 * MB,
		      "program;large 2097152\nprogram;[smaller call sites] 2097152\n");
}

static void test_hostile_names(void **state)
{
	struct report *report = make_report("a;b\n");

	add_site(report, "x;y z", 1);
	add_site(report, "line\nline 7", 2);
	add_site(report, "\xff", 3);
	add_site(report, "", 4);
	assert_folded(report, 0,
		      "a:b\\n;x:y z 1\n"
		      "a:b\\n;line\\nline_7 2\n"
		      "a:b\\n;\\xff 3\n"
		      "a:b\\n;? 4\n");
}

/* flamegraph.pl took the 12 for the amount, and 4096 for another one to compare it with. */
static void test_a_name_that_ends_in_a_number(void **state)
{
	struct report *report = make_report("");

	add_site(report, "worker 12", 4096);
	add_site(report, "worker 1.5", 4096);
	add_site(report, "worker  3.", 4096);
	add_site(report, "worker12", 4096);
	add_site(report, "12", 4096);
	assert_folded(report, 0,
		      "?;worker_12 4096\n"
		      "?;worker_1.5 4096\n"
		      "?;worker _3. 4096\n"
		      "?;worker12 4096\n"
		      "?;12 4096\n");
}

static void test_nothing(void **state)
{
	assert_folded(make_report("program"), 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_there),
		cmocka_unit_test(test_small_call_sites),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_a_name_that_ends_in_a_number),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("folded", tests, NULL, NULL);
}
