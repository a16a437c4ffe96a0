// SPDX-License-Identifier: BSD-2-Clause
/*
 * chains THREADS COUNT: many call chains lead to one mmap, by functions with and without frames of
 * variable size. Whenever a line comes on stdin, each thread maps the next COUNT of them and, when
 * all have, "mapped" is printed. Which chain it was is in the length: FIRST_PAGES + the chain's
 * number pages. Its number, from 0 to CHAINS - 1, says by its digits to the base 6, lowest last,
 * which of the steps a to f called which, and number % 4 is how often `deeper` has called itself.
 * After CHAINS times each thread has had every chain once.
 */
#include <alloca.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_PAGES 64
#define CHAINS	    216
#define STRIDE	    37 /* has no factor in common with CHAINS: no chain comes after its neighbour */
#define BASE	    6

#define FUNCTION  __attribute__((noinline, noclone, optimize("O2", "omit-frame-pointer")))
#define BARRIER() __asm__ volatile("" ::: "memory")

struct walk {
	unsigned chain;
	unsigned left; /* digits */
	unsigned seed;
};

typedef void step_fn(struct walk *walk);
static step_fn *const steps[BASE];

FUNCTION static void *map_pages(size_t pages)
{
	void *at = mmap(NULL, pages * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);

	BARRIER();
	return at;
}

FUNCTION static void next(struct walk *walk)
{
	unsigned digit = walk->chain, i;

	if (!walk->left--) {
		if (map_pages(FIRST_PAGES + walk->chain) == MAP_FAILED)
			abort();
		BARRIER();
		return;
	}
	for (i = 0; i < walk->left; i++)
		digit /= BASE;
	steps[digit % BASE](walk);
	BARRIER();
}

/* Frames of a fixed size, which differ; and frames whose size is known only at run time. */
#define FIXED(name, size)                                                                          \
	FUNCTION static void name(struct walk *walk)                                               \
	{                                                                                          \
		char room[size];                                                                   \
                                                                                                   \
		memset(room, walk->seed, sizeof(room));                                            \
		__asm__ volatile("" ::"r"(room) : "memory");                                       \
		next(walk);                                                                        \
		BARRIER();                                                                         \
	}
#define VARIABLE(name)                                                                             \
	FUNCTION static void name(struct walk *walk)                                               \
	{                                                                                          \
		size_t size = 16 + rand_r(&walk->seed) % 700;                                      \
		char *room = alloca(size);                                                         \
                                                                                                   \
		memset(room, walk->seed, size);                                                    \
		__asm__ volatile("" ::"r"(room) : "memory");                                       \
		next(walk);                                                                        \
		BARRIER();                                                                         \
	}

FIXED(step_a, 8)
FIXED(step_b, 8)
FIXED(step_c, 328)
VARIABLE(step_d)
VARIABLE(step_e)
VARIABLE(step_f)

static step_fn *const steps[BASE] = {step_a, step_b, step_c, step_d, step_e, step_f};

FUNCTION static void deeper(struct walk *walk, unsigned depth)
{
	if (depth)
		deeper(walk, depth - 1);
	else
		next(walk);
	BARRIER();
}

static unsigned count;
static pthread_barrier_t begin, end;

static void *run(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg, done = 0;

	for (;;) {
		pthread_barrier_wait(&begin);
		for (unsigned i = 0; i < count; i++, done++) {
			struct walk walk = {(seed + done * STRIDE) % CHAINS, 3, seed + done};

			deeper(&walk, walk.chain % 4);
		}
		pthread_barrier_wait(&end);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 4;
	pthread_t id;
	char line[64];

	count = argc > 2 ? atoi(argv[2]) : 1;
	if (threads < 1 || threads > 64)
		return 2;
	pthread_barrier_init(&begin, NULL, threads + 1);
	pthread_barrier_init(&end, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&id, NULL, run, (void *)(size_t)(i + 1)))
			return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		puts("mapped");
		fflush(stdout);
	}
	return 0;
}
