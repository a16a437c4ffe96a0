// SPDX-License-Identifier: BSD-2-Clause
/*
 * touchers: does what each line of stdin says, and answers with a line:
 *
 *   keep MEGABYTES SEED         keep_most and keep_some take turns at random, 3 to 1, to malloc
 *                               and fill objects, and keep them: "BYTES BYTES", of each
 *   map KIND MEGABYTES huge|small  map_block() maps them: anon, shared, memfd, sysv, file (of
 * tmpfs) touch WHO FROM TO           these megabytes of it: by touch_first(), touch_second() or
 *                               touch_third(), by touch_ahead() in a thread, by read(2) in fill()
 *   empty FROM TO               MADV_DONTNEED
 *   populate FROM TO            MADV_POPULATE_WRITE (Linux 5.14): no faults
 *   move                        mremap, to elsewhere
 *   fork WHO FROM TO            the child touches these, and stays: "PID"
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MIB	 (1UL << 20)
#define NOINLINE __attribute__((noinline))

static char *block;
static size_t block_len;

/* Behind each call there is something to do, so that none is a jump. */
static volatile unsigned calls;

static uint64_t state;

static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* So that what is never read is written all the same. */
static void *volatile kept;

static NOINLINE size_t keep_most(void)
{
	size_t len = 16 + draw() % 240;

	kept = memset(malloc(len), 1, len);
	calls++;
	return len;
}

static NOINLINE size_t keep_some(void)
{
	size_t len = 16 + draw() % 240;

	kept = memset(malloc(len), 1, len);
	calls++;
	return len;
}

static void keep(size_t bytes)
{
	size_t most = 0, some = 0;

	while (most + some < bytes) {
		if (draw() % 4)
			most += keep_most();
		else
			some += keep_some();
	}
	printf("%zu %zu\n", most, some);
}

static int open_file(const char *kind)
{
	char path[] = "/dev/shm/touchers-XXXXXX";
	int fd;

	if (!strcmp(kind, "memfd"))
		return memfd_create("touchers", MFD_CLOEXEC);
	fd = mkstemp(path);
	unlink(path);
	return fd;
}

static NOINLINE void map_block(const char *kind, size_t len)
{
	int flags = strcmp(kind, "anon") ? MAP_SHARED : MAP_PRIVATE, fd = -1, id;

	block_len = len;
	if (!strcmp(kind, "sysv")) {
		id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
		block = shmat(id, NULL, 0);
		shmctl(id, IPC_RMID, NULL);
		return;
	}
	if (!strcmp(kind, "memfd") || !strcmp(kind, "file")) {
		fd = open_file(kind);
		if (ftruncate(fd, len))
			exit(1);
	} else {
		flags |= MAP_ANONYMOUS;
	}
	block = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	calls++;
}

static NOINLINE void touch_first(char *from, char *to)
{
	for (; from < to; from += 4096)
		*(volatile char *)from = 1;
	calls++;
}

static NOINLINE void touch_second(char *from, char *to)
{
	for (; from < to; from += 4096)
		*(volatile char *)from = 2;
	calls += 2;
}

static NOINLINE void touch_third(char *from, char *to)
{
	for (; from < to; from += 4096)
		*(volatile char *)from = 3;
	calls += 3;
}

static NOINLINE void *touch_ahead(void *arg)
{
	char **range = arg;

	for (char *at = range[0]; at < range[1]; at += 4096)
		*(volatile char *)at = 4;
	calls += 4;
	return NULL;
}

/* The kernel writes. */
static NOINLINE void fill(char *from, char *to)
{
	int fd = open("/dev/zero", O_RDONLY);

	for (ssize_t n; from < to; from += n) {
		n = read(fd, from, to - from < 65536 ? to - from : 65536);
		if (n <= 0)
			exit(1);
	}
	close(fd);
	calls++;
}

static void touch(const char *who, char *from, char *to)
{
	char *range[] = {from, to};
	pthread_t thread;

	if (!strcmp(who, "first")) {
		touch_first(from, to);
	} else if (!strcmp(who, "second")) {
		touch_second(from, to);
	} else if (!strcmp(who, "third")) {
		touch_third(from, to);
	} else if (!strcmp(who, "read")) {
		fill(from, to);
	} else {
		pthread_create(&thread, NULL, touch_ahead, range);
		pthread_join(thread, NULL);
	}
	calls++;
}

static void fork_child(const char *who, char *from, char *to)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		exit(1);
	pid = fork();
	if (!pid) {
		touch(who, from, to);
		close(ready[1]);
		close(0);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		exit(1);
	close(ready[0]);
	printf("%d\n", pid);
}

int main(void)
{
	char line[256], word[32], size[8];
	unsigned long a, b;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "keep %lu %lu", &a, &b) == 2) {
			state = b;
			keep(a * MIB);
			continue;
		} else if (sscanf(line, "map %31s %lu %7s", word, &a, size) == 3) {
			map_block(word, a * MIB);
			madvise(block, block_len,
				strcmp(size, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
		} else if (sscanf(line, "touch %31s %lu %lu", word, &a, &b) == 3) {
			touch(word, block + a * MIB, block + b * MIB);
		} else if (sscanf(line, "empty %lu %lu", &a, &b) == 2) {
			madvise(block + a * MIB, (b - a) * MIB, MADV_DONTNEED);
		} else if (sscanf(line, "populate %lu %lu", &a, &b) == 2) {
			madvise(block + a * MIB, (b - a) * MIB, MADV_POPULATE_WRITE);
		} else if (!strcmp(line, "move\n")) {
			char *to = mmap(NULL, block_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
					0);

			block = mremap(block, block_len, block_len, MREMAP_MAYMOVE | MREMAP_FIXED,
				       to);
		} else if (sscanf(line, "fork %31s %lu %lu", word, &a, &b) == 3) {
			fork_child(word, block + a * MIB, block + b * MIB);
			continue;
		}
		puts("done");
	}
	return 0;
}
