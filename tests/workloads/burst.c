// SPDX-License-Identifier: BSD-2-Clause
/*
 * burst N HOW: N mappings of 64 KiB from one call site, made as HOW says by its letters: f of a
 * memfd, each at another offset (else anonymous); x executable, m made so by mprotect; r mapped
 * again over itself (MAP_FIXED), v moved by mremap; u unmapped again; w a second, writable view of
 * the same; k after every hundredth, a child is forked that does nothing; p half of them by
 * another thread. Prints "ready".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 65536

static const char *how;
static int fd;
static long count;

static int is(char letter)
{
	return !!strchr(how, letter);
}

__attribute__((noinline)) static char *map_piece(char *at, long i, int prot)
{
	int flags = at ? MAP_FIXED : 0;
	char *p;

	if (is('f'))
		p = mmap(at, SIZE, prot, flags | MAP_SHARED, fd, i * 2 * SIZE);
	else
		p = mmap(at, SIZE, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(1);
	return p;
}

__attribute__((noinline)) static void make(long i)
{
	char *p = map_piece(NULL, i, is('x') ? PROT_READ | PROT_EXEC : PROT_READ);

	if (is('m'))
		mprotect(p, SIZE, PROT_READ | PROT_EXEC);
	if (is('w'))
		map_piece(NULL, i, PROT_READ | PROT_WRITE);
	if (is('r'))
		map_piece(p, i, PROT_READ | PROT_EXEC);
	if (is('v'))
		p = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	if (is('u'))
		munmap(p, SIZE);
	if (is('k') && i % 100 == 99 && !fork()) {
		pause();
		_exit(0);
	}
}

static void *burst(void *first)
{
	for (long i = first ? 1 : 0; i < count; i += is('p') ? 2 : 1)
		make(i);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 3)
		return 2;
	count = atol(argv[1]);
	how = argv[2];
	fd = memfd_create("burst", 0);
	if (fd < 0 || ftruncate(fd, count * 2 * SIZE))
		return 1;
	if (is('p'))
		pthread_create(&thread, NULL, burst, "");
	burst(NULL);
	if (is('p'))
		pthread_join(thread, NULL);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
