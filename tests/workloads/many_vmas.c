// SPDX-License-Identifier: BSD-2-Clause
/* many_vmas N: one mapping whose pages are by turns writable and not: N VMAs in all. Every page
 * is touched. Prints "ready". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000, page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, n * page, MADV_NOHUGEPAGE))
		return 1;
	memset(p, 1, n * page);
	for (size_t i = 0; i < n; i += 2) {
		if (mprotect(p + i * page, page, PROT_READ))
			return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
