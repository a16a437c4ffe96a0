// SPDX-License-Identifier: BSD-2-Clause
/*
 * pairs THREADS SECONDS: when a line comes on stdin, that many threads map 64 KiB, touch them and
 * unmap them again, as fast as they can, for that long. Then "PAIRS NANOSECONDS": how many, and
 * what the longest call took.
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
	uint64_t end, pairs, worst;
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

	while (last < w->end) {
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
		w->pairs++;
		last = after;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX];
	int n = argc > 2 ? atoi(argv[1]) : 0;
	char line[64];
	uint64_t pairs = 0, worst = 0, end;

	if (n < 1 || n > MAX || !fgets(line, sizeof(line), stdin))
		return 1;
	end = now() + atoi(argv[2]) * 1000000000ull;
	for (int i = 0; i < n; i++) {
		workers[i].end = end;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		pairs += workers[i].pairs;
		if (workers[i].worst > worst)
			worst = workers[i].worst;
	}
	printf("%ju %ju\n", (uintmax_t)pairs, (uintmax_t)worst);
	fflush(stdout);
	getchar();
	return 0;
}
