// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_storm pairs|refused THREADS RATE SECONDS: system calls that a tracer of memory has to
 * record, RATE of them a second in all threads together, 0: as fast as they can be made. "pairs"
 * maps 64 KiB and unmaps them; "refused" unmaps what no munmap takes, which is the cheapest way to
 * make an event. Prints how many there were and the nanoseconds that they took.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define BYTES	    65536
#define MAX_THREADS 64
#define BATCH	    100 /* calls between two looks at the clock */

struct storm {
	bool refused;
	uint64_t rate; /* of one thread */
	uint64_t began;
	uint64_t end;
};

static void make_events(bool refused)
{
	for (int i = 0; i < BATCH / 2; i++) {
		if (refused) {
			munmap((void *)1, BYTES);
			munmap((void *)1, BYTES);
		} else {
			void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p == MAP_FAILED || munmap(p, BYTES))
				abort();
		}
	}
}

static void sleep_until(uint64_t boot_ns)
{
	struct timespec when = {.tv_sec = boot_ns / NSEC_PER_SEC,
				.tv_nsec = boot_ns % NSEC_PER_SEC};

	clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &when, NULL);
}

static void *run(void *arg)
{
	const struct storm *storm = arg;
	uint64_t n = 0;

	while (clock__boot_ns() < storm->end) {
		make_events(storm->refused);
		n += BATCH;
		if (storm->rate)
			sleep_until(storm->began + n * NSEC_PER_SEC / storm->rate);
	}
	return (void *)n;
}

int main(int argc, char **argv)
{
	int threads = argc == 5 ? atoi(argv[2]) : 0;
	pthread_t ids[MAX_THREADS];
	struct storm storm;
	uint64_t all = 0;
	void *n;

	if (threads < 1 || threads > MAX_THREADS)
		return 2;
	storm.refused = !strcmp(argv[1], "refused");
	storm.rate = strtoull(argv[3], NULL, 10) / threads;
	storm.began = clock__boot_ns();
	storm.end = storm.began + strtod(argv[4], NULL) * NSEC_PER_SEC;
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&ids[i], NULL, run, &storm))
			return 1;
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(ids[i], &n);
		all += (uintptr_t)n;
	}
	printf("%" PRIu64 " %" PRIu64 "\n", all, clock__boot_ns() - storm.began);
	return 0;
}
