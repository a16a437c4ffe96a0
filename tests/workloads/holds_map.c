// SPDX-License-Identifier: BSD-2-Clause
/*
 * Holds its mmap_lock for as long as a file system does not answer. Maps the file of its argument;
 * at a line on stdin one thread reads a page of it through /proc/self/mem, which takes the lock and
 * does not let go of it while the page comes (Linux 6.18, FOLL_UNLOCKABLE in mm/gup.c), and another
 * maps something, and so waits to write. From then on every reader of its map waits, too. Says
 * "free" when the page has come.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static char *page;

static void *hold(void *arg)
{
	int mem = open("/proc/self/mem", O_RDONLY);
	char c;

	if (mem < 0 || pread(mem, &c, 1, (off_t)page) != 1)
		perror("/proc/self/mem");
	puts("free");
	fflush(stdout);
	return NULL;
}

static void *wait_to_write(void *arg)
{
	sleep(1);
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return NULL;
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	pthread_t threads[2];

	page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	getchar();
	pthread_create(&threads[0], NULL, hold, NULL);
	pthread_create(&threads[1], NULL, wait_to_write, NULL);
	for (;;)
		pause();
}
