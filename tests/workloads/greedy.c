// SPDX-License-Identifier: BSD-2-Clause
/*
 * greedy PAGES COUNT DEPTH KEEP: takes as much of a tracer as one process can. It makes COUNT
 * mappings of PAGES pages, each from a call chain of its own (the bits of its number say which of
 * two functions calls which, DEPTH calls deep; DEPTH 0: all from one place), and keeps KEEP of
 * them, the last ones. Prints "ready" and stays, or, when told "again", does the same once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FUNCTION  __attribute__((noinline, noclone, optimize("no-omit-frame-pointer")))
#define BARRIER() __asm__ volatile("" ::: "memory")

static size_t bytes;

FUNCTION static void *map(void)
{
	void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	BARRIER();
	return at;
}

static void *walk(unsigned long chain, unsigned left);

FUNCTION static void *zero(unsigned long chain, unsigned left)
{
	void *at = walk(chain, left);

	BARRIER();
	return at;
}

FUNCTION static void *one(unsigned long chain, unsigned left)
{
	void *at = walk(chain, left);

	BARRIER();
	return at;
}

__attribute__((always_inline)) static inline void *walk(unsigned long chain, unsigned left)
{
	if (!left)
		return map();
	return (chain & 1 ? one : zero)(chain >> 1, left - 1);
}

int main(int argc, char **argv)
{
	unsigned long numbers[4], chain = 0, i;
	char line[16];
	void **kept;

	if (argc != 5)
		return 2;
	for (i = 0; i < 4; i++)
		numbers[i] = strtoul(argv[i + 1], NULL, 10);
	bytes = numbers[0] * 4096;
	kept = calloc(numbers[3] + 1, sizeof(*kept));
	do {
		for (i = 0; i < numbers[1]; i++) {
			void *at = walk(chain++, numbers[2]), **slot;

			if (at == MAP_FAILED || !kept)
				return 1;
			slot = &kept[numbers[3] ? i % numbers[3] : 0];
			if (*slot)
				munmap(*slot, bytes);
			*slot = at;
		}
		puts("ready");
		fflush(stdout);
	} while (fgets(line, sizeof(line), stdin));
	return 0;
}
