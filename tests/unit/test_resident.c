// SPDX-License-Identifier: BSD-2-Clause
/* What a process has, read without smaps, against smaps. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/procfs.h"
#include "proc/resident.h"
#include "util/cleanup.h"
#include "util/clock.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define MB	     (1ULL << 20)
#define RESERVED     (16ULL << 40) /* as AddressSanitizer does */
#define SMALL_VMAS   3000
#define HALF_TOUCHED 5000 /* pages: more runs than the kernel is given room for at once */

static char *map(size_t len, int prot, int flags, int fd)
{
	char *p = mmap(NULL, len, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

static void touch(char *p, size_t len, size_t step)
{
	for (size_t i = 0; i < len; i += step)
		p[i] = 1;
}

static char *anonymous(size_t len)
{
	char *p = map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static void make_mappings(size_t page)
{
	char *p, c = 0;
	int fd;

	clock__boot_ns(); /* [vvar] is read */
	touch(anonymous(MB), MB / 2, page);
	touch(anonymous(HALF_TOUCHED * page), HALF_TOUCHED * page, 2 * page);
	p = anonymous(MB); /* the zero page, and then nothing at all */
	for (size_t i = 0; i < MB; i += page)
		c += p[i];
	p = anonymous(MB);
	touch(p, MB, page);
	mprotect(p, MB, PROT_NONE);
	p = anonymous(SMALL_VMAS * page);
	touch(p, SMALL_VMAS * page, page);
	for (size_t i = c; i < SMALL_VMAS; i += 2)
		mprotect(p + i * page, page, PROT_READ);
	p = anonymous(MB);
	touch(p, MB, page);
	madvise(p, 16 * page, MADV_GUARD_INSTALL);
	p = map(16 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(p, 16 * MB, MADV_HUGEPAGE);
	touch(p, 5 * MB, page);
	touch(map(MB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), MB / 4, page);
	fd = memfd_create("resident", MFD_CLOEXEC);
	if (!ftruncate(fd, MB))
		touch(map(MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd), MB / 2, page);
	p = anonymous(RESERVED);
	touch(p + RESERVED / 2, 8 * page, page);
}

/* Huge pages of hugetlb: pagemap shows them like others, and the kernel counts them apart. */
static void make_hugetlb(size_t page)
{
	touch(map(4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1),
	      4 * MB, page);
}

static void make_lazily_freed(size_t page)
{
	char *p = anonymous(2 * MB);

	touch(p, 2 * MB, page);
	madvise(p, MB, MADV_FREE);
}

/* A driver's memory, which has no pages for the kernel to count. */
static void make_driver_mapping(size_t page)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.size = sizeof(attr),
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	volatile char *p;

	if (fd < 0)
		_exit(2);
	p = map(9 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	for (size_t i = 0; i < 9; i++)
		(void)p[i * page];
}

/* A process that has mapped, and sleeps. */
static pid_t start(void (*make)(size_t page))
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		make(sysconf(_SC_PAGESIZE));
		close(fds[0]);
		if (write(fds[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void assert_same(const struct resident *ours, const struct resident *smaps)
{
	assert_int_equal(ours->set.n, smaps->set.n);
	for (size_t i = 0; i < ours->set.n; i++) {
		const struct vma *a = &ours->set.vmas[i], *b = &smaps->set.vmas[i];

		assert_int_equal(a->start, b->start);
		if (a->rss != b->rss || a->swap != b->swap)
			fail_msg("%lx %s: %lu and %lu, smaps %lu and %lu", a->start,
				 vma_set__name(&ours->set, a), a->rss, a->swap, b->rss, b->swap);
	}
	assert_int_equal(ours->rss, smaps->rss);
}

static void compare(void (*make)(size_t page), uint64_t hugetlb, uint64_t lazyfree)
{
	struct resident ours = {}, smaps = {};
	pid_t pid = start(make);
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);

	assert_int_equal(resident__read(pidfd, RESIDENT_ANY_SIZE, NULL, &ours), 0);
	assert_int_equal(resident__read_smaps(pidfd, NULL, &smaps), 0);
	assert_same(&ours, &smaps);
	assert_true(ours.summed && ours.pss <= ours.rss);
	assert_int_equal(ours.swap, smaps.swap);
	assert_int_equal(ours.kinds.bytes[PAGES_HUGETLB], hugetlb);
	assert_memory_equal(&ours.kinds, &smaps.kinds, sizeof(ours.kinds));
	/* Some wait for a CPU to take them off its lists. */
	assert_in_range(ours.kinds.bytes[PAGES_LAZYFREE], lazyfree - lazyfree / 4, lazyfree);
	/* Others that use the same libraries come and go; smaps rounds down in each VMA. */
	assert_in_range(ours.pss + MB - smaps.pss, 0, 2 * MB + smaps.set.n * 1024);
	vma_set__free(&ours.set);
	vma_set__free(&smaps.set);
	stop(pid);
}

/* Pages that wait for a CPU to take them off its lists become lazily freed meanwhile: until none
 * does. */
static void read_both(int pidfd, struct resident *ours, struct resident *smaps)
{
	uint64_t lazyfree;

	do {
		vma_set__free(&ours->set);
		vma_set__free(&smaps->set);
		assert_int_equal(resident__read_smaps(pidfd, NULL, smaps), 0);
		lazyfree = smaps->kinds.bytes[PAGES_LAZYFREE];
		vma_set__free(&smaps->set);
		assert_int_equal(resident__read_report(pidfd, 0, (struct vma_set){}, NULL, ours),
				 0);
		assert_int_equal(resident__read_smaps(pidfd, NULL, smaps), 0);
	} while (smaps->kinds.bytes[PAGES_LAZYFREE] != lazyfree);
}

/* A report says of each VMA what smaps says; `cheaply`: without reading it. */
static void compare_report(void (*make)(size_t page), bool cheaply)
{
	struct resident ours = {}, smaps = {};
	pid_t pid = start(make);
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);

	read_both(pidfd, &ours, &smaps);
	assert_same(&ours, &smaps);
	assert_true(ours.summed && ours.pss <= ours.rss);
	assert_int_equal(ours.sharing, !cheaply);
	assert_int_equal(ours.swap, smaps.swap);
	assert_memory_equal(&ours.kinds, &smaps.kinds, sizeof(ours.kinds));
	for (size_t i = 0; i < ours.set.n; i++)
		assert_memory_equal(&ours.set.vmas[i].kinds, &smaps.set.vmas[i].kinds,
				    sizeof(ours.kinds));
	assert_in_range(ours.pss + MB - smaps.pss, 0, 2 * MB + smaps.set.n * 1024);
	vma_set__free(&ours.set);
	vma_set__free(&smaps.set);
	stop(pid);
}

static void make_large(size_t page)
{
	touch(anonymous(4 * MB), 4 * MB, page);
}

static void make_larger(size_t page)
{
	touch(anonymous(64 * MB), 64 * MB, page);
}

static void a_report_agrees_with_smaps(void **state)
{
	compare_report(make_mappings, true);
	/* What only smaps tells of a VMA. */
	compare_report(make_lazily_freed, false);
	/* Many pages to a VMA: it would cost more than smaps. */
	compare_report(make_larger, false);
}

static void agrees_with_smaps(void **state)
{
	compare(make_mappings, 0, 0);
	compare(make_lazily_freed, 0, MB);
	compare(make_driver_mapping, 0, 0);
}

static unsigned set_huge_pages(unsigned n)
{
	_cleanup_file_ FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r+e");
	unsigned before = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &before), 1);
	if (n > before || !n) {
		rewind(f);
		fprintf(f, "%u", n);
	}
	return before;
}

/* Also where no sums tell of them. */
static void huge_pages_of_hugetlb(void **state)
{
	unsigned before = set_huge_pages(4);
	struct resident ours = {}, smaps = {};
	pid_t pid = start(make_hugetlb);
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);

	assert_int_equal(resident__read(pidfd, 0, NULL, &ours), 0);
	assert_int_equal(resident__read_smaps(pidfd, NULL, &smaps), 0);
	assert_same(&ours, &smaps);
	vma_set__free(&ours.set);
	vma_set__free(&smaps.set);
	stop(pid);
	compare(make_hugetlb, 4 * MB, 0);
	if (!before)
		set_huge_pages(0);
}

static void no_sums_of_a_large_vma(void **state)
{
	pid_t pid = start(make_large);
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);
	struct resident resident = {};

	assert_int_equal(resident__read(pidfd, 4 * MB - 1, NULL, &resident), 0);
	assert_false(resident.summed);
	assert_true(resident.rss > 4 * MB);
	vma_set__free(&resident.set);
	assert_int_equal(resident__read(pidfd, 4 * MB, NULL, &resident), 0);
	assert_true(resident.summed);
	vma_set__free(&resident.set);
	stop(pid);
}

static void make_nothing(size_t page)
{
}

static void one_that_is_gone(void **state)
{
	pid_t pid = start(make_nothing);
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);
	struct resident resident = {};

	stop(pid);
	assert_int_equal(resident__read(pidfd, RESIDENT_ANY_SIZE, NULL, &resident), -ESRCH);
	assert_null(resident.set.vmas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_smaps),
		cmocka_unit_test(a_report_agrees_with_smaps),
		cmocka_unit_test(huge_pages_of_hugetlb),
		cmocka_unit_test(no_sums_of_a_large_vma),
		cmocka_unit_test(one_that_is_gone),
	};

	return cmocka_run_group_tests_name("resident", tests, NULL, NULL);
}
