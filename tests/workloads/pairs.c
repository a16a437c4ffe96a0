// SPDX-License-Identifier: BSD-2-Clause
/*
 * pairs THREADS PAIRS: when a line comes on stdin, each of that many threads maps 64 KiB, touches
 * them and unmaps them again, so often, as fast as it can. Then "NANOSECONDS": what the longest
 * pair took.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LEN (64 * 1024)
#define MAX 64

struct worker {
	pthread_t thread;
	uint64_t pairs, worst;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t last = now();

	while (w->pairs--) {
		uint64_t before = last, after;
		char *p =
			mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			abort();
		*p = 1;
		if (munmap(p, LEN))
			abort();
		after = now();
		if (after - before > w->worst)
			w->worst = after - before;
		last = after;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX];
	int n = argc > 2 ? atoi(argv[1]) : 0;
	char line[64];
	uint64_t worst = 0;

	if (n < 1 || n > MAX || !fgets(line, sizeof(line), stdin))
		return 1;
	for (int i = 0; i < n; i++) {
		workers[i].pairs = atoi(argv[2]);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].worst > worst)
			worst = workers[i].worst;
	}
	printf("%ju\n", (uintmax_t)worst);
	fflush(stdout);
	getchar();
	return 0;
}
