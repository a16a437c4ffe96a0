// SPDX-License-Identifier: BSD-2-Clause
/*
 * then_exec N SHARED PROGRAM WORD…: makes N mappings and prints "ready"; for a line with a number
 * on stdin, sleeps for so many microseconds and execs the program. With SHARED 1 another process
 * has the same memory and keeps it behind the exec. Without a PROGRAM that is all.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STACK_SIZE 65536

static int keep_memory(void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
	return arg != NULL;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 0, page = sysconf(_SC_PAGESIZE);
	int delay_us;
	char *base;

	if (argc < 3)
		return 2;
	base = mmap(NULL, 2 * n * page + 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return 1;
	for (long i = 0; i < n; i++) {
		if (mprotect(base + 2 * i * page, page, PROT_READ))
			return 1;
	}
	if (atoi(argv[2])) {
		char *stack = malloc(STACK_SIZE);

		if (!stack || clone(keep_memory, stack + STACK_SIZE, CLONE_VM | SIGCHLD, NULL) < 0)
			return 1;
	}
	printf("ready\n");
	fflush(stdout);
	if (scanf("%d", &delay_us) != 1)
		return 0;
	usleep(delay_us);
	if (argc > 3)
		execv(argv[3], argv + 3);
	return 1;
}
