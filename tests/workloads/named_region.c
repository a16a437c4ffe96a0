// SPDX-License-Identifier: BSD-2-Clause
/* The first example of the README: maps 64 MiB, names it, touches 40 MiB, waits. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define MIB (1024 * 1024)

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "TXMetaCache";
	char *p = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	/* Whether the kernel takes it or not. */
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 64 * MIB, name);
	memset(p, 1, 40 * MIB);
	printf("%p\n", (void *)p);
	fflush(stdout);
	pause();
	return 0;
}
