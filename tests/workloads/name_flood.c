// SPDX-License-Identifier: BSD-2-Clause
/* Gives a mapping names from a pointer to nothing, as fast as it can, with a rest of argv[1]
 * microseconds after every hundred. Prints "running". */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned int rest = argc > 1 ? atoi(argv[1]) : 0;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	puts("running");
	fflush(stdout);
	for (int i = 1;; i++) {
		prctl(0x53564d41, 0, p, 4096, 4096); /* PR_SET_VMA, PR_SET_VMA_ANON_NAME */
		if (rest && i % 100 == 0)
			usleep(rest);
	}
}
