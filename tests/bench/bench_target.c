// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_target VMAS MIB: a process to be read, of so many mappings of a page each and one of MIB,
 * all of it resident in small pages. Prints "ready". After a line on stdin it maps and unmaps 64
 * KiB a thousand times a second, until the next line; then it prints what the mmap calls took, in
 * nanoseconds: how many, the median, the 99th percentile, that of 99.9, the worst.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "samples.h"
#include "util/clock.h"

#define BYTES	    65536
#define PAUSE_US    1000
#define MAX_SAMPLES (1 << 18)

static uint64_t samples[MAX_SAMPLES];

/* Pages that are by turns writable and not are no neighbours that the kernel could merge. */
static bool make_vmas(size_t n, size_t page)
{
	char *p = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, n * page, MADV_NOHUGEPAGE))
		return false;
	memset(p, 1, n * page);
	for (size_t i = 0; i < n; i += 2) {
		if (mprotect(p + i * page, page, PROT_READ))
			return false;
	}
	return true;
}

static bool make_resident(size_t bytes)
{
	char *p;

	if (!bytes)
		return true;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || madvise(p, bytes, MADV_NOHUGEPAGE))
		return false;
	memset(p, 1, bytes);
	return true;
}

static bool line_waits(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) > 0;
}

static size_t take_samples(void)
{
	size_t n = 0;

	do {
		uint64_t began = clock__boot_ns();
		void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		samples[n++] = clock__boot_ns() - began;
		if (p == MAP_FAILED || munmap(p, BYTES))
			abort();
		usleep(PAUSE_US);
	} while (!line_waits() && n < MAX_SAMPLES);
	return n;
}

static bool read_line(void)
{
	char c = 0;

	while (c != '\n') {
		if (read(STDIN_FILENO, &c, 1) != 1)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	size_t page = sysconf(_SC_PAGESIZE), n;

	if (argc != 3)
		return 2;
	if (!make_vmas(strtoul(argv[1], NULL, 10), page) ||
	    !make_resident(strtoul(argv[2], NULL, 10) << 20))
		return 1;
	puts("ready");
	fflush(stdout);
	while (read_line()) {
		n = take_samples();
		if (!read_line())
			return 1;
		samples__sort(samples, n);
		printf("%zu %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, samples[n / 2],
		       samples[n * 99 / 100], samples[n * 999 / 1000], samples[n - 1]);
		fflush(stdout);
	}
	return 0;
}
