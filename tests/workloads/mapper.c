// SPDX-License-Identifier: BSD-2-Clause
/* mapper N: N mappings of a page each, of two kinds by turns, so that the kernel merges none;
 * touched none. Prints "ready". */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((noinline)) static void map_one(char *at, size_t page, long i)
{
	int prot = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;

	if (mmap(at, page, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		exit(1);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, page = sysconf(_SC_PAGESIZE);
	char *p =
		mmap(NULL, n * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (long i = 0; i < n; i++)
		map_one(p + i * page, page, i);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
