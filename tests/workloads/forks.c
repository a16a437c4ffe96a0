// SPDX-License-Identifier: BSD-2-Clause
/* forks N: 1,000 small mappings, then N children that have them too and sleep. Prints the pid of
 * the last child. The children end with it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000;
	pid_t parent = getpid(), child = 0;

	for (int i = 0; i < 1000; i++) {
		int prot = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE; /* so that they stay apart */

		if (mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return 1;
	}
	for (int i = 0; i < n; i++) {
		child = fork();
		if (child < 0)
			return 1;
		if (child)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			pause();
		_exit(0);
	}
	printf("%d\n", child);
	fflush(stdout);
	pause();
	return 0;
}
