// SPDX-License-Identifier: BSD-2-Clause
#include "util/clock.h"

#include <stdio.h>
#include <time.h>

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

uint64_t clock__wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

uint64_t clock__boot_to_wall(uint64_t boot_ns)
{
	return clock__wall_ns() - clock__boot_ns() + boot_ns;
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
