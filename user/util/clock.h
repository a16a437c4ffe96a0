/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time. Events and /proc count from boot (CLOCK_BOOTTIME, nanoseconds), reports speak of wall
 * clock time; the offset between the two is taken when a report is made.
 */
#ifndef MEMPROV_CLOCK_H
#define MEMPROV_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_SEC   1000000000ULL
#define CLOCK_TEXT_LEN sizeof("2026-11-22T21:31:07.123456Z")

uint64_t clock__boot_ns(void);	     /* now, since boot */
uint64_t clock__monotonic_ns(void);  /* now; stands still while the machine sleeps */
uint64_t clock__wall_ns(void);	     /* now, since 1970 */
uint64_t clock__thread_cpu_ns(void); /* CPU time that the calling thread has used */

/* The wall clock time of a boot time, by the offset in force now, in whole microseconds: unless the
 * clock is set, the same time is the same text in every report. */
uint64_t clock__boot_to_wall(uint64_t boot_ns);

/* RFC 3339 in UTC with microseconds, e.g. "2026-11-22T21:31:07.123456Z". */
void clock__format(uint64_t wall_ns, char text[CLOCK_TEXT_LEN]);

#endif
