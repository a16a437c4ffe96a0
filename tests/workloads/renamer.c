// SPDX-License-Identifier: BSD-2-Clause
/*
 * renamer: a process that forks and goes on as its child without end, each time under another name
 * and with a mapping that is called so. Prints "running".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME_LEN 16
#define SIZE	 (256 * 1024)

/* Any bytes but zero. */
static void make_name(char *ret, unsigned *seed)
{
	for (int i = 0; i < NAME_LEN - 1; i++)
		ret[i] = 1 + rand_r(seed) % 255;
	ret[NAME_LEN - 1] = '\0';
}

static void live(unsigned *seed)
{
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[NAME_LEN];

	if (at == MAP_FAILED)
		abort();
	make_name(name, seed);
	prctl(PR_SET_NAME, name);
	prctl(0x53564d41, 0, at, SIZE, name); /* PR_SET_VMA, PR_SET_VMA_ANON_NAME */
	at[0] = 1;
	if (munmap(at, SIZE))
		abort();
}

int main(void)
{
	unsigned seed = 1;

	/* Orphans become our children, and none needs to be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_IGN);
	puts("running");
	fflush(stdout);
	if (fork()) {
		pause();
		return 0;
	}
	for (;;) {
		live(&seed);
		if (fork())
			_exit(0);
	}
}
