/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much CPU time it may take to follow what processes do: to read the ring, and to unwind stacks
 * that no request waits for. Both together have --cpu-limit of one core on average, and before that
 * what idle times have saved up: of the default of 10 %, a second, or two when it is for events.
 *
 *	drain    -- spends --> events, half of it -- debt --> pressure --> bpf/share.bpf.h
 *	drain    -- spends --> all of it
 *	unwinder -- spends --> all of it          -- debt --> the unwinder waits
 *
 * Each step of the pressure halves what storms may send. What finds no room in the queue while the
 * unwinder waits is left out, the greediest process's first (live/stack_queue.h).
 *
 * Thread-safe.
 */
#ifndef MEMPROV_CPU_LIMIT_H
#define MEMPROV_CPU_LIMIT_H

#include <stdint.h>

struct cpu_limit;

enum cpu_use { CPU_EVENTS, CPU_STACKS, CPU_USES };

/* percent of one core, from 1. NULL when out of memory. */
struct cpu_limit *cpu_limit__new(unsigned percent);
void cpu_limit__free(struct cpu_limit *limit); /* accepts NULL */

/* now_ns: CLOCK_BOOTTIME. */
void cpu_limit__spend(struct cpu_limit *limit, enum cpu_use use, uint64_t now_ns, uint64_t cpu_ns);

/* How long stacks that no request waits for are to wait. */
uint64_t cpu_limit__wait_ns(struct cpu_limit *limit, uint64_t now_ns);

/* Steps by which storms are to send less: 0 to CPU_PRESSURE_MAX. */
#define CPU_PRESSURE_MAX 10
unsigned cpu_limit__pressure(struct cpu_limit *limit, uint64_t now_ns);

struct cpu_limit_stats {
	unsigned percent;
	unsigned pressure;
	uint64_t spent_ns[CPU_USES];
};
void cpu_limit__stats(struct cpu_limit *limit, struct cpu_limit_stats *ret);

const char *cpu_use__name(enum cpu_use use); /* label of a metric */

#endif
