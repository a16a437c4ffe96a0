// SPDX-License-Identifier: BSD-2-Clause
#include "util/clock.h"

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

static void put_digits(char *at, unsigned number, int n, char behind)
{
	at[n] = behind;
	while (n--) {
		at[n] = '0' + number % 10;
		number /= 10;
	}
}

void clock__format(uint64_t wall_ns, char text[CLOCK_TEXT_LEN])
{
	time_t seconds = wall_ns / NSEC_PER_SEC;
	uint64_t us = wall_ns % NSEC_PER_SEC / 1000;
	struct tm tm;

	/* Of a report with all its regions strftime() and snprintf() would take some percent. */
	gmtime_r(&seconds, &tm);
	put_digits(text, tm.tm_year + 1900, 4, '-');
	put_digits(text + 5, tm.tm_mon + 1, 2, '-');
	put_digits(text + 8, tm.tm_mday, 2, 'T');
	put_digits(text + 11, tm.tm_hour, 2, ':');
	put_digits(text + 14, tm.tm_min, 2, ':');
	put_digits(text + 17, tm.tm_sec, 2, '.');
	put_digits(text + 20, us, 6, 'Z');
	text[27] = '\0';
}
