// SPDX-License-Identifier: BSD-2-Clause
/* How much CPU time may be used: the pace, and what following processes may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "live/cpu_limit.h"
#include "util/clock.h"
#include "util/pace.h"
#include "util/sanitized.h"

#define MS     1000000ULL
#define SLOWER (SANITIZED ? 10 : 1)

static const uint64_t hour = 3600 * NSEC_PER_SEC;

/* Spends as fast as it may for an hour; how much it has spent. */
static uint64_t spend_for_an_hour(uint64_t piece_ns)
{
	uint64_t now = NSEC_PER_SEC, end = now + hour, spent = 0;
	struct pace pace = {.rate_ns = 10 * MS, .saved_ns = 20 * MS};

	while (now < end) {
		pace__spend(&pace, now, piece_ns);
		spent += piece_ns;
		now += piece_ns + pace__wait_ns(&pace, now);
	}
	return spent;
}

static void a_share_of_a_core(void **state)
{
	assert_in_range(spend_for_an_hour(MS / 10), hour / 105, hour / 95);
	assert_in_range(spend_for_an_hour(10 * MS), hour / 105, hour / 95);
	assert_in_range(spend_for_an_hour(1000 * MS), hour / 105, hour / 95);
}

static void idle_times_save_up_a_little(void **state)
{
	struct pace pace = {.rate_ns = 10 * MS, .saved_ns = 20 * MS};
	uint64_t spent = 0;

	pace__spend(&pace, NSEC_PER_SEC, 0);
	while (!pace__wait_ns(&pace, hour)) {
		pace__spend(&pace, hour, MS);
		spent += MS;
	}
	assert_in_range(spent, 20 * MS, 21 * MS);
}

static void what_is_owed_is_bounded(void **state)
{
	struct pace pace = {.rate_ns = 10 * MS, .owed_ns = 50 * MS};

	pace__spend(&pace, NSEC_PER_SEC, hour);
	assert_int_equal(pace__debt_ns(&pace, NSEC_PER_SEC), 50 * MS);
	assert_int_equal(pace__wait_ns(&pace, NSEC_PER_SEC), 5 * NSEC_PER_SEC);
	assert_int_equal(pace__debt_ns(&pace, 6 * NSEC_PER_SEC), 0);
}

/* --- following processes ---------------------------------------------------------------------- */

/* A storm that takes `storm_ns` of CPU time a second without pressure, and half of that with each
 * step, beside new stacks without end: the CPU time of each that an hour costs. */
static void storm_for_an_hour(uint64_t storm_ns, uint64_t spent[CPU_USES])
{
	const uint64_t tick = NSEC_PER_SEC / 5;
	struct cpu_limit *limit = cpu_limit__new(10);
	struct cpu_limit_stats stats;

	assert_non_null(limit);
	for (uint64_t now = NSEC_PER_SEC; now < hour; now += tick) {
		uint64_t events = storm_ns / 5 >> cpu_limit__pressure(limit, now);

		cpu_limit__spend(limit, CPU_EVENTS, now, events * SLOWER);
		for (uint64_t ns = 0; ns < tick && !cpu_limit__wait_ns(limit, now); ns += MS)
			cpu_limit__spend(limit, CPU_STACKS, now, MS * SLOWER);
	}
	cpu_limit__stats(limit, &stats);
	assert_int_equal(stats.percent, 10);
	for (int use = 0; use < CPU_USES; use++)
		spent[use] = stats.spent_ns[use] / SLOWER;
	cpu_limit__free(limit);
}

static void a_storm_of_events_is_pressed_to_half_of_it(void **state)
{
	uint64_t spent[CPU_USES];

	storm_for_an_hour(800 * MS, spent);
	assert_in_range(spent[CPU_EVENTS], hour / 25, hour / 18);
	assert_in_range(spent[CPU_EVENTS] + spent[CPU_STACKS], hour / 11, hour / 9);
}

static void without_a_storm_all_of_it_is_for_stacks(void **state)
{
	uint64_t spent[CPU_USES];

	storm_for_an_hour(10 * MS, spent);
	assert_in_range(spent[CPU_EVENTS], hour / 101, hour / 99);
	assert_in_range(spent[CPU_EVENTS] + spent[CPU_STACKS], hour / 11, hour / 9);
}

/* As many events as may be sent at once. */
static void a_burst_presses_nothing(void **state)
{
	struct cpu_limit *limit = cpu_limit__new(10);

	cpu_limit__spend(limit, CPU_EVENTS, NSEC_PER_SEC, 1900 * MS * SLOWER);
	assert_int_equal(cpu_limit__pressure(limit, NSEC_PER_SEC), 0);
	cpu_limit__spend(limit, CPU_EVENTS, NSEC_PER_SEC, 150 * MS * SLOWER);
	assert_int_equal(cpu_limit__pressure(limit, NSEC_PER_SEC), 1);
	cpu_limit__spend(limit, CPU_EVENTS, NSEC_PER_SEC, hour);
	assert_int_equal(cpu_limit__pressure(limit, NSEC_PER_SEC), CPU_PRESSURE_MAX);
	/* A second is owed, and a twentieth of a core pays it. */
	assert_int_equal(cpu_limit__pressure(limit, 22 * NSEC_PER_SEC), 0);
	cpu_limit__free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_of_a_core),
		cmocka_unit_test(idle_times_save_up_a_little),
		cmocka_unit_test(what_is_owed_is_bounded),
		cmocka_unit_test(a_storm_of_events_is_pressed_to_half_of_it),
		cmocka_unit_test(without_a_storm_all_of_it_is_for_stacks),
		cmocka_unit_test(a_burst_presses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
