// SPDX-License-Identifier: BSD-2-Clause
/*
 * leaks MICROSECONDS [BYTES]: two functions that keep memory, 3 of 4 MiB one and 1 the other, with
 * a pause behind each round, for ever or until there are so many bytes: then it says so and waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1 << 20)

static void fill(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at != MAP_FAILED)
		memset(at, 1, size);
}

static __attribute__((noipa)) void leak_much(void)
{
	fill(3 * MIB);
}

static __attribute__((noipa)) void leak_little(void)
{
	fill(MIB);
}

int main(int argc, char **argv)
{
	unsigned long pause_us = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : -1UL;

	for (unsigned long kept = 0; kept < bytes; kept += 4 * MIB) {
		leak_much();
		leak_little();
		usleep(pause_us);
	}
	puts("full");
	fflush(stdout);
	for (;;)
		pause();
}
