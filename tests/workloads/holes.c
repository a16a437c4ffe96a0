// SPDX-License-Identifier: BSD-2-Clause
/*
 * holes 16|5000|20000|100000: a thread, and then the main thread, maps 1 MiB in a function whose
 * caller has an array of so many bytes that nothing has touched: pages of the stack between the two
 * are absent. Prints the addresses, and waits.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t bytes;

static __attribute__((noipa)) void *map_below(void *array)
{
	(void)array;
	return mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Of a fixed size, so that there is no frame pointer that leads over it. */
#define OVER(size)                                                                                 \
	static __attribute__((noipa)) void *skip_##size(void)                                      \
	{                                                                                          \
		char array[size];                                                                  \
		void *mapped = map_below(array);                                                   \
                                                                                                   \
		__asm__ volatile("" ::"r"(array) : "memory"); /* no tail call */                   \
		return mapped;                                                                     \
	}
OVER(16)
OVER(5000)
OVER(20000)
OVER(100000)

static __attribute__((noipa)) void *begin_here(void *arg)
{
	void *mapped = bytes == 16	? skip_16()
		       : bytes == 5000	? skip_5000()
		       : bytes == 20000 ? skip_20000()
					: skip_100000();

	__asm__ volatile("" ::"r"(arg) : "memory");
	return mapped;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *mapped;

	bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	if (pthread_create(&thread, NULL, begin_here, NULL) || pthread_join(thread, &mapped))
		return 1;
	printf("%ju\n", (uintmax_t)(uintptr_t)mapped);
	printf("%ju\n", (uintmax_t)(uintptr_t)begin_here(NULL));
	fflush(stdout);
	for (;;)
		pause();
}
