// SPDX-License-Identifier: BSD-2-Clause
#include "util/clock.h"

#include <stdio.h>
#include <time.h>

#define NSEC_PER_USEC 1000
#define TRIES	      3

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t clock__boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t clock__monotonic_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock__wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

uint64_t clock__thread_cpu_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* The two clocks cannot be read at once: a thread that loses the CPU in between reads them again.
 */
static uint64_t offset_ns(void)
{
	uint64_t offset = 0, best = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock__boot_ns(), wall = clock__wall_ns(),
			 took = clock__boot_ns() - before;

		if (took < best) {
			best = took;
			offset = wall - before - took / 2;
		}
	}
	return offset;
}

uint64_t clock__boot_to_wall(uint64_t boot_ns)
{
	return (offset_ns() + NSEC_PER_USEC / 2) / NSEC_PER_USEC * NSEC_PER_USEC + boot_ns;
}

void clock__format(uint64_t wall_ns, char text[CLOCK_TEXT_LEN])
{
	time_t seconds = wall_ns / NSEC_PER_SEC;
	char date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, CLOCK_TEXT_LEN, "%.19s.%06uZ", date,
		 (unsigned)(wall_ns % NSEC_PER_SEC / 1000));
}
