// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_faults MEGABYTES TIMES: maps so much, touches each of its pages of 4 KiB once and unmaps
 * it, so many times, and prints the CPU time of one fault in nanoseconds: of the fastest time, and
 * of the middle one.
 *
 * bench_faults MEGABYTES hold: touches it, prints "ready", and waits for its input to end.
 * bench_faults MEGABYTES storm: touches and unmaps it again and again, until its input ends.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	  4096UL
#define TIMES_MAX 1000

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static char *map(size_t len)
{
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || madvise(at, len, MADV_NOHUGEPAGE))
		abort();
	return at;
}

static uint64_t touch(char *at, size_t len)
{
	uint64_t began = cpu_ns();

	for (size_t i = 0; i < len; i += PAGE)
		*(volatile char *)(at + i) = 1;
	return cpu_ns() - began;
}

static int lower(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(size_t len, int times)
{
	static uint64_t took[TIMES_MAX];
	size_t pages = len / PAGE;
	uint64_t middle;

	for (int i = 0; i < times; i++) {
		char *at = map(len);

		took[i] = touch(at, len);
		munmap(at, len);
	}
	qsort(took, times, sizeof(*took), lower);
	middle = took[times / 2];
	printf("%.1f %.1f\n", (double)took[0] / pages, (double)middle / pages);
}

static int input_has_ended(int timeout)
{
	return poll(&(struct pollfd){.fd = 0, .events = POLLIN}, 1, timeout) > 0;
}

int main(int argc, char **argv)
{
	size_t len = argc == 3 ? strtoull(argv[1], NULL, 10) << 20 : 0;
	int times = argc == 3 ? atoi(argv[2]) : 0;
	char *at;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (len && !strcmp(argv[2], "hold")) {
		touch(map(len), len);
		puts("ready");
		input_has_ended(-1);
	} else if (len && !strcmp(argv[2], "storm")) {
		while (!input_has_ended(0)) {
			at = map(len);
			touch(at, len);
			munmap(at, len);
		}
	} else if (len && times > 0 && times <= TIMES_MAX) {
		measure(len, times);
	} else {
		return 2;
	}
	return 0;
}
