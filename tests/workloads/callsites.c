// SPDX-License-Identifier: BSD-2-Clause
/*
 * callsites N [STEP]: maps 64 KiB from each of N places, up to 5832: three calls deep, each from
 * one of 18 lines. A page of each is touched. After each STEP of them it says how many there are,
 * and waits for a line; without one it is slow enough for a tracer to keep up. Stays until it is
 * killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE  65536
#define LINES 18

#define FUNCTION __attribute__((noinline, noclone))

/* What follows a call differs, so that no two calls become one. */
#define CALL(n, next)                                                                              \
	case n:                                                                                    \
		next;                                                                              \
		__asm__ volatile("# " #n ::: "memory");                                            \
		break;

#define CALLS(next)                                                                                \
	CALL(0, next)                                                                              \
	CALL(1, next)                                                                              \
	CALL(2, next)                                                                              \
	CALL(3, next)                                                                              \
	CALL(4, next)                                                                              \
	CALL(5, next)                                                                              \
	CALL(6, next)                                                                              \
	CALL(7, next)                                                                              \
	CALL(8, next)                                                                              \
	CALL(9, next)                                                                              \
	CALL(10, next)                                                                             \
	CALL(11, next)                                                                             \
	CALL(12, next)                                                                             \
	CALL(13, next)                                                                             \
	CALL(14, next)                                                                             \
	CALL(15, next)                                                                             \
	CALL(16, next)                                                                             \
	CALL(17, next)

FUNCTION static void map(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	*p = 1;
	__asm__ volatile("" ::: "memory");
}

FUNCTION static void inner(int n)
{
	switch (n % LINES) {
		CALLS(map())
	}
}

FUNCTION static void middle(int n)
{
	switch (n / LINES % LINES) {
		CALLS(inner(n))
	}
}

FUNCTION static void outer(int n)
{
	switch (n / LINES / LINES % LINES) {
		CALLS(middle(n))
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 5000, step = argc > 2 ? atoi(argv[2]) : n;

	for (int i = 0; i < n; i++) {
		if (i && i % step == 0) {
			printf("%d\n", i);
			fflush(stdout);
			getchar();
		}
		outer(i);
		usleep(500);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
