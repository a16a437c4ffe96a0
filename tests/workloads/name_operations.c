// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names memory, and does to it whatever there is to do to mappings. Then prints a line for each
 * range, "START END what it is\tNAME", with the name that a kernel which takes names shows for it
 * ("-": none), and "ready CHILD": a forked child has all of them, too. Stays until it is killed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

#define MIB  (1UL << 20)
#define ROOM (32 * MIB) /* for each operation, so that nothing of two touches */
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *next_room;

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static char *map_at(char *at, size_t size, int flags, int fd)
{
	char *p = mmap(at, size, RW, flags | MAP_FIXED, fd, 0);

	check(p == at, "mmap");
	return p;
}

static char *room(void)
{
	next_room += ROOM;
	return next_room - ROOM;
}

static void name(char *at, size_t size, const char *text)
{
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, size, text);
}

static char *named(size_t size, const char *text)
{
	char *p = map_at(room(), size, ANON, -1);

	name(p, size, text);
	return p;
}

static void tell(char *at, size_t size, const char *what, const char *shown)
{
	printf("%lu %lu %s\t%s\n", (unsigned long)at, (unsigned long)(at + size), what, shown);
}

static char *resize(char *at, size_t old, size_t new, int flags, char *to)
{
	char *p = mremap(at, old, new, flags, to);

	check(p != MAP_FAILED, "mremap");
	return p;
}

static void resize_some(void)
{
	char *p = named(4 * MIB, "grown"), *q;

	map_at(p + 4 * MIB, MIB, ANON, -1); /* so that it must move */
	p = resize(p, 4 * MIB, 6 * MIB, MREMAP_MAYMOVE, NULL);
	memset(p, 1, 6 * MIB);
	tell(p, 6 * MIB, "grown and moved", "[anon: grown]");

	p = named(MIB, "in place");
	check(resize(p, MIB, 3 * MIB, 0, NULL) == p, "mremap in place");
	tell(p, 3 * MIB, "grown in place", "[anon: in place]");

	p = named(4 * MIB, "end");
	q = resize(p + 3 * MIB, MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, room());
	tell(p, 3 * MIB, "whose end moved away", "[anon: end]");
	tell(q, 2 * MIB, "an end, moved and grown", "[anon: end]");

	p = named(4 * MIB, "shrunk");
	resize(p, 4 * MIB, MIB, 0, NULL);
	tell(p, MIB, "shrunk", "[anon: shrunk]");

	p = named(MIB, "kept");
	q = resize(p, MIB, MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, room());
	tell(p, MIB, "moved, and kept", "[anon: kept]");
	tell(q, MIB, "moved, and kept where it was", "[anon: kept]");

	p = named(4 * MIB, "below");
	q = named(MIB, "over it");
	resize(q, MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, p + MIB);
	tell(p, MIB, "before what was moved over it", "[anon: below]");
	tell(p + MIB, 2 * MIB, "moved over another, and grown", "[anon: over it]");
	tell(p + 3 * MIB, MIB, "behind what was moved over it", "[anon: below]");

	p = map_at(room(), MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
	name(p, MIB, "shared");
	q = resize(p, 0, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, room());
	tell(p, MIB, "shared anonymous", "[anon_shmem: shared]");
	tell(q, MIB, "shared anonymous, mapped again", "[anon_shmem: shared]");
}

static void cut_some(void)
{
	char *p = named(3 * MIB, "protected"), *q;

	mprotect(p + MIB, MIB, PROT_READ);
	tell(p, 3 * MIB, "protected in the middle", "[anon: protected]");

	p = named(3 * MIB, "locked");
	mlock2(p + MIB, MIB, MLOCK_ONFAULT);
	tell(p, 3 * MIB, "locked in the middle", "[anon: locked]");

	p = named(3 * MIB, "cut");
	munmap(p + MIB, MIB);
	tell(p, MIB, "before a hole", "[anon: cut]");
	tell(p + 2 * MIB, MIB, "behind a hole", "[anon: cut]");

	p = named(3 * MIB, "replaced");
	map_at(p + MIB, MIB, ANON, -1);
	map_at(p + 3 * MIB, MIB, ANON, -1);
	tell(p, MIB, "before what replaced it", "[anon: replaced]");
	tell(p + MIB, MIB, "mapped over it", "-");
	tell(p + 2 * MIB, MIB, "behind what replaced it", "[anon: replaced]");
	tell(p + 3 * MIB, MIB, "mapped beside it", "-");

	p = map_at(room(), MIB, ANON, -1);
	q = map_at(p + 2 * MIB, MIB, ANON, -1);
	name(p, 3 * MIB, "both");
	tell(p, MIB, "named with a hole, first", "[anon: both]");
	tell(q, MIB, "named with a hole, second", "[anon: both]");

	p = named(2 * MIB, "cleared");
	name(p, MIB, NULL);
	tell(p, MIB, "whose name was taken away", "-");
	tell(p + MIB, MIB, "beside it", "[anon: cleared]");
}

static void extend_some(void)
{
	char *p = room() + ROOM / 2, *heap;

	map_at(p, 64 * 1024, ANON | MAP_GROWSDOWN, -1);
	name(p, 64 * 1024, "stack");
	*(volatile char *)(p - 16 * 1024) = 1;
	tell(p - 16 * 1024, 80 * 1024, "grown by a fault", "[anon: stack]");

	sbrk(-(intptr_t)sbrk(0) & 4095);
	heap = sbrk(MIB);
	name(heap, MIB, "heap");
	sbrk(MIB);
	tell(heap, 2 * MIB, "the heap", "[heap]");
}

static void name_files(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p, *q;
	int fd = memfd_create("cache", 0);

	check(f && fd >= 0 && !ftruncate(fd, MIB), "memfd_create");
	p = map_at(room(), MIB, MAP_SHARED, fd);
	q = map_at(room(), MIB, MAP_SHARED, fd);
	name(p, MIB, "memfd");
	tell(p, MIB, "a memfd", "[anon_shmem: memfd]");
	tell(q, MIB, "the memfd, mapped again", "/memfd:cache (deleted)");

	p = map_at(room(), 4096, MAP_PRIVATE, fileno(f));
	name(p, 4096, "file");
	tell(p, 4096, "a file, privately", path);
}

int main(int argc, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	pid_t child;

	check(n > 0, "readlink");
	path[n] = '\0';
	setvbuf(stdout, NULL, _IOFBF, 65536);
	next_room = mmap(NULL, 64 * ROOM, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	check(next_room != MAP_FAILED, "mmap");
	munmap(next_room, 64 * ROOM);
	resize_some();
	cut_some();
	extend_some();
	name_files(path);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, 9);
		for (;;)
			pause();
	}
	printf("ready %d\n", child);
	fflush(stdout);
	pause();
	return 0;
}
