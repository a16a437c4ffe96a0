// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a pair of mmap and munmap costs: bench_pairs PAIRS PAUSE_MS. So many pairs are timed in one
 * go, then comes a pause, which is not timed; for half a second. Prints the mean, so that what a
 * tracer does now and then is in it. The mapping is 1 MiB and never touched; it is made DEPTH
 * functions deep, each with a frame pointer and FRAME bytes of stack.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/clock.h"

#define DEPTH	 16
#define FRAME	 128
#define BYTES	 (1 << 20)
#define DURATION (NSEC_PER_SEC / 2)

static void map_and_unmap(int pairs)
{
	for (int i = 0; i < pairs; i++) {
		void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p == MAP_FAILED || munmap(p, BYTES))
			abort();
	}
}

static __attribute__((noinline)) double measure(int depth, int pairs, int pause_ms)
{
	volatile char frame[FRAME] = {0};
	uint64_t end = clock__boot_ns() + DURATION, took = 0, n = 0;

	if (depth)
		return measure(depth - 1, pairs, pause_ms) + frame[0];
	while (clock__boot_ns() < end) {
		uint64_t began = clock__boot_ns();

		map_and_unmap(pairs);
		took += clock__boot_ns() - began;
		n += pairs;
		usleep(pause_ms * 1000);
	}
	return (double)took / n;
}

int main(int argc, char **argv)
{
	if (argc != 3 || atoi(argv[1]) < 1)
		return 2;
	printf("%.1f ns for mmap and munmap\n", measure(DEPTH, atoi(argv[1]), atoi(argv[2])));
	return 0;
}
