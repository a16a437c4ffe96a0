// SPDX-License-Identifier: BSD-2-Clause
/*
 * again: a line "same N" on stdin has N mappings of 64 KiB made by one call chain, "different N" by
 * N others, of which no two are equal up to 1 << BITS. All but the last of a line are unmapped at
 * once. Prints "done" after each line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BITS 17
#define SIZE (64 * 1024)

#define FUNCTION  __attribute__((noinline, noclone, optimize("O2", "omit-frame-pointer")))
#define BARRIER() __asm__ volatile("" ::: "memory")

static void step(unsigned path, unsigned left);

static bool keep;

FUNCTION static void map(void)
{
	void *at = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || (!keep && munmap(at, SIZE)))
		abort();
	BARRIER();
}

FUNCTION static void zero(unsigned path, unsigned left)
{
	step(path, left);
	BARRIER();
}

FUNCTION static void one(unsigned path, unsigned left)
{
	step(path, left);
	BARRIER();
}

FUNCTION static void step(unsigned path, unsigned left)
{
	if (!left)
		map();
	else
		(path & 1 ? one : zero)(path >> 1, left - 1);
	BARRIER();
}

int main(void)
{
	unsigned path = 0, n;
	char line[64], how[16];

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%15s %u", how, &n) != 2)
			return 2;
		while (n--) {
			keep = !n;
			step(!strcmp(how, "different") ? ++path : 0, BITS);
		}
		puts("done");
		fflush(stdout);
	}
	return 0;
}
