// SPDX-License-Identifier: BSD-2-Clause
/* Huge pages of hugetlb in every way there is, each by a function of its own; the file, in a
 * hugetlbfs, is the argument. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define MB	 (1UL << 20)
#define NOINLINE __attribute__((noinline))

static char *checked(char *p, size_t touched)
{
	if (p == MAP_FAILED) {
		perror("hugetlb");
		exit(1);
	}
	memset(p, 1, touched);
	return p;
}

/* No function: the one that it stands in is to own the memory. */
#define map(size, flags, fd) mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0)

NOINLINE static char *private_pool(void)
{
	return checked(map(16 * MB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1), 8 * MB);
}

NOINLINE static char *shared_buffers(void)
{
	return checked(map(16 * MB, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1), 16 * MB);
}

NOINLINE static char *system_v(void)
{
	int id = shmget(IPC_PRIVATE, 8 * MB, IPC_CREAT | 0600 | SHM_HUGETLB);
	char *p = shmat(id, NULL, 0);

	shmctl(id, IPC_RMID, NULL);
	return checked(p, 8 * MB);
}

NOINLINE static char *sealed_memfd(void)
{
	int fd = memfd_create("pool", MFD_CLOEXEC | MFD_HUGETLB);

	if (ftruncate(fd, 4 * MB))
		perror("ftruncate");
	return checked(map(4 * MB, MAP_SHARED, fd), 4 * MB);
}

NOINLINE static char *hugetlbfs_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return checked(map(6 * MB, MAP_SHARED, fd), 2 * MB);
}

int main(int argc, char *argv[])
{
	volatile char *at[] = {private_pool(), shared_buffers(), system_v(), sealed_memfd(),
			       hugetlbfs_file(argv[argc - 1])};

	puts("ready");
	fflush(stdout);
	pause();
	return *at[0];
}
