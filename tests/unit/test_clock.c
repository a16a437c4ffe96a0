// SPDX-License-Identifier: BSD-2-Clause
/* The offset between the clocks is the same however busy the CPU is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"

#define RIVALS 2

/* A report's times moved by milliseconds when its thread lost the CPU between the two clocks. */
static void test_the_same_time_stays_the_same(void **state)
{
	uint64_t began = clock__boot_ns(), least = UINT64_MAX, most = 0;
	pid_t rivals[RIVALS];
	cpu_set_t before, one;

	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (int i = 0; i < RIVALS; i++) {
		rivals[i] = fork();
		if (!rivals[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				;
		}
	}
	while (clock__boot_ns() - began < NSEC_PER_SEC / 2) {
		uint64_t wall = clock__boot_to_wall(0);

		least = wall < least ? wall : least;
		most = wall > most ? wall : most;
	}
	for (int i = 0; i < RIVALS; i++) {
		kill(rivals[i], SIGKILL);
		waitpid(rivals[i], NULL, 0);
	}
	sched_setaffinity(0, sizeof(before), &before);
	assert_true(most - least <= 1000);
}

static void test_format(void **state)
{
	char text[CLOCK_TEXT_LEN];

	clock__format(1795383067123456789, text);
	assert_string_equal(text, "2026-11-22T21:31:07.123456Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_time_stays_the_same),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
