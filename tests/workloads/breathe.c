// SPDX-License-Identifier: BSD-2-Clause
/* breathe N: N processes whose RSS changes ten times a second, with no call that memprov looks at.
 * Prints "ready". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LEN (16 * 4096)

static void breathe(void)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (p != MAP_FAILED) {
		memset(p, 1, LEN);
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		madvise(p, LEN, MADV_DONTNEED);
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;

	for (int i = 0; i < n; i++) {
		if (!fork()) {
			breathe();
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
