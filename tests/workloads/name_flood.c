// SPDX-License-Identifier: BSD-2-Clause
/* Gives a mapping names from a pointer to nothing, as fast as it can. Prints "running". */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

int main(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	puts("running");
	fflush(stdout);
	for (;;)
		prctl(0x53564d41, 0, p, 4096, 4096); /* PR_SET_VMA, PR_SET_VMA_ANON_NAME */
}
