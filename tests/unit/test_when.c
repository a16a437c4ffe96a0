// SPDX-License-Identifier: BSD-2-Clause
/* Durations and moments as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/when.h"

#define NOW (1795469467 * NSEC_PER_SEC) /* 2026-11-23T21:31:07Z */

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = {{"10s", 10},     {"90", 90},       {"5m", 300},
		    {"2h30m", 9000}, {"14d", 1209600}, {"1w2d3h4m5s", 788645},
		    {"0", 0},	     {"0s", 0},	       {"100h", 360000}};
	static const char *const bad[] = {"",	  "s",	  "-5s",  "5 s",  "5x",
					  "1m2h", "1h1h", "1h30", "1.5h", "+1s"};
	uint64_t s;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(when__parse_duration(good[i].text, 0, UINT64_MAX, &s), 0);
		assert_int_equal(s, good[i].seconds);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(when__parse_duration(bad[i], 0, UINT64_MAX, &s), -EINVAL);
	assert_int_equal(when__parse_duration("9s", 10, 20, &s), -ERANGE);
	assert_int_equal(when__parse_duration("21s", 10, 20, &s), -ERANGE);
	assert_int_equal(when__parse_duration("99999999999999999w", 0, UINT64_MAX, &s), -ERANGE);
}

static void moments(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"now", NOW},
		{"-0s", NOW},
		{"-2h", NOW - 7200 * NSEC_PER_SEC},
		{"-1h30m", NOW - 5400 * NSEC_PER_SEC},
		{"2026-11-23T21:31:07Z", NOW},
		{"2026-11-23t21:31:07z", NOW},
		{"2026-11-23T21:31:07.5Z", NOW + NSEC_PER_SEC / 2},
		{"2026-11-23T21:31:07.123456789Z", NOW + 123456789},
		{"2026-11-23T23:31:07+02:00", NOW},
		{"2026-11-23T23:31:07 02:00", NOW},
		{"2026-11-23T16:01:07-05:30", NOW},
		{"1970-01-01T00:00:00Z", 0},
		{"2024-02-29T00:00:00Z", 1709164800 * NSEC_PER_SEC},
	};
	static const char *const bad[] = {
		"",
		"-",
		"yesterday",
		"2026-11-23",
		"2026-11-23T21:31:07",
		"2026-11-23T21:31:07ZZ",
		"2026-11-23T21:31:07.Z",
		"2026-13-23T21:31:07Z",
		"2026-00-23T21:31:07Z",
		"2026-11-31T21:31:07Z",
		"2025-02-29T21:31:07Z",
		"2026-11-23T24:31:07Z",
		"2026-11-23T21:31:07+2:00",
		"2026-11-23T21:31:07+02:60",
		"-2x",
		"1795469467",
	};
	uint64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(when__parse_moment(good[i].text, NOW, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(when__parse_moment(bad[i], NOW, &ns), -EINVAL);
	assert_int_equal(when__parse_moment("1969-12-31T23:59:59Z", NOW, &ns), -ERANGE);
	assert_int_equal(when__parse_moment("2500-01-01T00:00:00Z", NOW, &ns), -ERANGE);
	assert_int_equal(when__parse_moment("-9999w", NOW, &ns), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
