// SPDX-License-Identifier: BSD-2-Clause
/* The main thread ends; another one goes on. Prints its tid and where it has mapped 2 MiB. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static pthread_t leader;

static void *live_on(void *arg)
{
	char *p;

	pthread_join(leader, NULL);
	p = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	memset(p, 1, 2 * MIB);
	prctl(0x53564d41, 0, p, 2 * MIB, "of a thread"); /* PR_SET_VMA, PR_SET_VMA_ANON_NAME */
	printf("%d %p\n", gettid(), (void *)p);
	fflush(stdout);
	pause();
	return arg;
}

int main(void)
{
	pthread_t thread;

	leader = pthread_self();
	if (pthread_create(&thread, NULL, live_on, NULL))
		return 1;
	pthread_exit(NULL);
}
