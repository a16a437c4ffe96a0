// SPDX-License-Identifier: BSD-2-Clause
/*
 * churn THREADS [keep]: that many threads map, touch and unmap as fast as they can, until a line
 * comes on stdin. Then each unmaps all it has; with "keep" each maps 16 times 64 KiB of its own,
 * touches them, and "ADDRESS TID" is printed for each. At last "stopped".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS	 32
#define KEPT	 16
#define KEPT_LEN (64 * 1024)
#define MAX	 64

static atomic_bool stopping, keeping;
static pthread_barrier_t stopped;

static char *map(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static void *churn(void *arg)
{
	char *held[SLOTS] = {0};
	size_t lens[SLOTS] = {0};
	unsigned seed = (unsigned)(size_t)arg + 1;

	while (!stopping) {
		int i = rand_r(&seed) % SLOTS;

		if (held[i] && munmap(held[i], lens[i]))
			abort();
		lens[i] = 4096ul * (1 + rand_r(&seed) % 64);
		held[i] = map(lens[i]);
		held[i][rand_r(&seed) % lens[i]] = 1;
	}
	for (int i = 0; i < SLOTS; i++) {
		if (held[i] && munmap(held[i], lens[i]))
			abort();
	}
	for (int i = 0; keeping && i < KEPT; i++) {
		char *p = map(KEPT_LEN);

		memset(p, 1, KEPT_LEN);
		printf("%p %d\n", (void *)p, gettid());
	}
	pthread_barrier_wait(&stopped);
	pause();
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 8;
	pthread_t id;

	keeping = argc > 2 && !strcmp(argv[2], "keep");
	if (threads < 1 || threads > MAX)
		return 2;
	pthread_barrier_init(&stopped, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&id, NULL, churn, (void *)(size_t)i))
			return 1;
	}
	puts("running");
	fflush(stdout);
	getchar();
	stopping = true;
	pthread_barrier_wait(&stopped);
	puts("stopped");
	fflush(stdout);
	pause();
	return 0;
}
