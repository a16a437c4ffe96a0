// SPDX-License-Identifier: BSD-2-Clause
/*
 * leaderless gone|alive: its main thread exits, or stays for comparison. For each line on stdin a
 * thread maps 1 MiB, below functions of this program, of code made at run time (named in
 * /tmp/perf-PID.map) and of a library that was loaded at run time; prints its tid and where; has a
 * new thread serve the next line, and exits.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define SIZE	  (1 << 20)
#define CODE_SIZE 4096
#define COPIED	  256 /* more than the function has */

#define STAYS __attribute__((noinline, noclone))
/* Nothing is left to be a tail call. */
#define RETURN __asm__ volatile("" ::: "memory")

typedef void *call_fn(void);

static pthread_t leader;
static void *(*jitted)(call_fn *);
static __typeof__(&deflateInit2_) init;

static STAYS void *allocate(void *opaque, unsigned items, unsigned size)
{
	void **first = opaque;

	(void)items, (void)size;
	if (*first)
		return NULL;
	*first = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(*first, 1, SIZE);
	return *first;
}

static void keep(void *opaque, void *at)
{
	(void)opaque, (void)at;
}

static STAYS void *from_jit(void)
{
	void *at = NULL;
	z_stream stream = {.zalloc = allocate, .zfree = keep, .opaque = (void *)&at};

	init(&stream, 1, Z_DEFLATED, 15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, sizeof(stream));
	return at;
}

/* It calls what it is given, so it runs wherever it lies. */
STAYS __attribute__((optimize("no-omit-frame-pointer"))) static void *through(call_fn *call)
{
	void *at = call();

	RETURN;
	return at;
}

static STAYS void *outer_1(void)
{
	void *at = jitted(from_jit);

	RETURN;
	return at;
}

static STAYS void *outer_2(void)
{
	void *at = outer_1();

	RETURN;
	return at;
}

static STAYS void *outer_3(void)
{
	void *at = outer_2();

	RETURN;
	return at;
}

static void *serve(void *gone)
{
	pthread_t next;

	if (gone)
		pthread_join(leader, NULL);
	if (getchar() != '\n')
		exit(0);
	printf("%d %p\n", gettid(), outer_3());
	fflush(stdout);
	if (pthread_create(&next, NULL, serve, NULL) || pthread_detach(next))
		exit(1);
	return NULL;
}

static int make_code(void)
{
	char *code =
		mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[64];
	FILE *map;

	if (code == MAP_FAILED)
		return -1;
	memcpy(code, (const void *)through, COPIED);
	__builtin___clear_cache(code, code + COPIED);
	memcpy(&jitted, &code, sizeof(jitted));
	snprintf(name, sizeof(name), "/tmp/perf-%d.map", getpid());
	map = fopen(name, "w");
	if (!map)
		return -1;
	fprintf(map, "%lx %x jitted_function\n", (unsigned long)code, CODE_SIZE);
	return fclose(map) || mprotect(code, CODE_SIZE, PROT_READ | PROT_EXEC) ? -1 : 0;
}

int main(int argc, char **argv)
{
	void *zlib = dlopen("libz.so.1", RTLD_NOW);
	bool gone = argc > 1 && !strcmp(argv[1], "gone");
	pthread_t thread;

	init = zlib ? (__typeof__(init))dlsym(zlib, "deflateInit2_") : NULL;
	if (!init || make_code())
		return 1;
	leader = pthread_self();
	if (pthread_create(&thread, NULL, serve, gone ? &leader : NULL))
		return 1;
	if (gone)
		pthread_exit(NULL);
	for (;;)
		pause();
}
