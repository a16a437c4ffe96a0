// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names a mapping by a text in a page that its reader has to wait for, as if it were in a
 * file of a server that does not answer; as often as its argument says. Prints where the mapping
 * is; at a line on stdin the page comes, with "at last" in it.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 65536

static char page[4096] __attribute__((aligned(4096))) = "at last";
static char before[] = "before"; /* not a constant: its page may not be there either */

static char *map(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	char *text = map(sizeof(page)), *named = map(SIZE);
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {(unsigned long)text, sizeof(page)},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffdio_copy copy = {
		.dst = (unsigned long)text, .src = (unsigned long)page, .len = sizeof(page)};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		perror("userfaultfd");
		return 1;
	}
	memset(named, 1, SIZE);
	before[0] = 'b';			   /* now it is */
	prctl(0x53564d41, 0, named, SIZE, before); /* PR_SET_VMA, PR_SET_VMA_ANON_NAME */
	while (n--)
		prctl(0x53564d41, 0, named, SIZE, text);
	printf("%lu\n", (unsigned long)named);
	fflush(stdout);
	getchar();
	if (ioctl(fd, UFFDIO_COPY, &copy)) {
		perror("UFFDIO_COPY");
		return 1;
	}
	puts("came");
	fflush(stdout);
	pause();
	return 0;
}
