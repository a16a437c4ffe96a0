// SPDX-License-Identifier: BSD-2-Clause
/* Resident pages of a range, both ways, against mappings touched in known ways. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/pagemap.h"
#include "proc/procfs.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define MB (1ULL << 20)

static uint64_t page;

static int open_own(void **state)
{
	static int fd;

	page = sysconf(_SC_PAGESIZE);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	*state = &fd;
	return fd < 0;
}

static int close_own(void **state)
{
	return close(*(int *)*state);
}

static char *map(size_t len, int advice)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	if (advice)
		madvise(p, len, advice);
	return p;
}

static void touch(char *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		p[i * page] = 1;
}

/* Both ways must see the same; the entries also without the help of PAGEMAP_SCAN. */
static void assert_counts(int fd, const char *p, size_t len, uint64_t resident)
{
	struct pagemap_counts counts = {};
	uint64_t start = (uintptr_t)p;

	assert_int_equal(pagemap__count(fd, start, start + len, &counts), 0);
	assert_int_equal(counts.resident, resident);
	assert_int_equal(counts.swapped, 0);
	memset(&counts, 0xff, sizeof(counts));
	assert_int_equal(pagemap__count_entries(fd, start, start + len, &counts), 0);
	assert_int_equal(counts.resident, resident);
	assert_int_equal(counts.swapped, 0);
}

static void entries_are_told_apart(void **state)
{
	const uint64_t present = 1ULL << 63, swapped = 1ULL << 62, guard = 1ULL << 58;
	const uint64_t entries[] = {
		0,
		present | 7,
		present | 8,
		present,
		swapped | 0x123,
		swapped | guard,
		1ULL << 61,
		0x7f,
		present | 1ULL << 56 | 1ULL << 61 | 7,
	};
	struct pagemap_counts counts = {.resident = 5, .swapped = 6};

	pagemap__add_entries(entries, ARRAY_SIZE(entries), 7, &counts);
	assert_int_equal(counts.resident, 5 + 2 * page);
	assert_int_equal(counts.swapped, 6 + page);
	/* Frame numbers are hidden, and all are 0. */
	pagemap__add_entries(entries, ARRAY_SIZE(entries), 0, &counts);
	assert_int_equal(counts.resident, 5 + 6 * page);
	pagemap__add_entries(NULL, 0, 0, &counts);
	assert_int_equal(counts.resident, 5 + 6 * page);
}

static void pages_that_were_touched(void **state)
{
	char *p = map(8 * MB, MADV_NOHUGEPAGE);
	int fd = *(int *)*state;

	assert_counts(fd, p, 8 * MB, 0);
	touch(p, 3 * MB / page);
	assert_counts(fd, p, 8 * MB, 3 * MB);
	/* Any part of it. */
	assert_counts(fd, p + MB, 3 * MB, 2 * MB);
	assert_counts(fd, p + 3 * MB, 5 * MB, 0);
	assert_counts(fd, p + 3 * MB - page, page, page);
	assert_counts(fd, p, 0, 0);
	madvise(p, MB, MADV_DONTNEED);
	assert_counts(fd, p, 8 * MB, 2 * MB);
	munmap(p, 8 * MB);
	assert_counts(fd, p, 8 * MB, 0);
}

/* Many more runs of pages than the kernel is given room for at once. */
static void every_second_page(void **state)
{
	uint64_t pages = 5001;
	char *p = map(pages * page, MADV_NOHUGEPAGE);

	for (uint64_t i = 0; i < pages; i += 2)
		p[i * page] = 1;
	assert_counts(*(int *)*state, p, pages * page, (pages + 1) / 2 * page);
	munmap(p, pages * page);
}

static void the_zero_page_is_nobodys(void **state)
{
	volatile char *p = map(64 * page, MADV_NOHUGEPAGE);

	for (uint64_t i = 0; i < 64; i++)
		(void)p[i * page];
	p[0] = 1;
	/* By entries only where frame numbers are shown: to root. */
	if (geteuid() == 0)
		assert_counts(*(int *)*state, (char *)p, 64 * page, page);
	munmap((char *)p, 64 * page);
}

static void guard_pages_are_not_swapped(void **state)
{
	char *p = map(64 * page, MADV_NOHUGEPAGE);

	touch(p, 64);
	if (!madvise(p, 4 * page, MADV_GUARD_INSTALL))
		assert_counts(*(int *)*state, p, 64 * page, 60 * page);
	munmap(p, 64 * page);
}

static void shared_and_file_pages(void **state)
{
	char *p = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	touch(p, 10);
	assert_counts(*(int *)*state, p, MB, 10 * page);
	munmap(p, MB);
}

static void bad_ranges_are_refused(void **state)
{
	struct pagemap_counts counts = {.resident = 77};
	int fd = *(int *)*state, other;

	assert_int_equal(pagemap__count(fd, 1, page, &counts), -EINVAL);
	assert_int_equal(pagemap__count(fd, 0, page + 1, &counts), -EINVAL);
	assert_int_equal(pagemap__count(fd, 2 * page, page, &counts), -EINVAL);
	assert_int_equal(pagemap__count(-1, page, 2 * page, &counts), -EBADF);
	other = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pagemap__can_scan(other), 0);
	close(other);
	assert_int_equal(pagemap__can_scan(-1), -EBADF);
	assert_in_range(pagemap__can_scan(fd), 0, 1);
	assert_int_equal(counts.resident, 77);
}

/* Huge pages, cut in their middle; smaps and mincore are asked too. */
static void huge_pages(void **state)
{
	struct pagemap_counts counts;
	struct vma_set set = {};
	int fd = *(int *)*state, pidfd = procfs__open("/proc", getpid());
	size_t len = 16 * MB, in_core = 0;
	char *whole = map(len, MADV_HUGEPAGE), *p;
	unsigned char *core = malloc(len / page);
	const struct vma *vma;

	p = (char *)(((uintptr_t)whole + 2 * MB - 1) & ~(2 * MB - 1));
	touch(p, 6 * MB / page);
	assert_counts(fd, whole, len, 6 * MB);
	assert_counts(fd, p + MB, 2 * MB + page, 2 * MB + page);
	assert_int_equal(mincore(whole, len, core), 0);
	for (size_t i = 0; i < len / page; i++)
		in_core += (core[i] & 1) * page;
	assert_int_equal(in_core, 6 * MB);
	assert_int_equal(procfs__vmas(pidfd, SMAPS_FULL, NULL, &set), 0);
	vma = vma_set__find(&set, (uintptr_t)whole);
	assert_non_null(vma);
	assert_int_equal(vma->start, (uintptr_t)whole);
	assert_int_equal(vma->rss, 6 * MB);
	assert_int_equal(pagemap__count(fd, (uintptr_t)whole, (uintptr_t)whole + len, &counts), 0);
	assert_int_equal(counts.huge, vma->kinds.bytes[PAGES_ANON_HUGE]);
	assert_int_equal(pagemap__count(fd, (uintptr_t)p + MB, (uintptr_t)p + 3 * MB, &counts), 0);
	assert_in_range(counts.huge, 0, 2 * MB);
	vma_set__free(&set);
	free(core);
	munmap(whole, len);
	close(pidfd);
}

static void assert_states(int fd, const uint64_t *pages, size_t n, const char *expected)
{
	uint8_t states[16];

	assert_int_equal(pagemap__look(fd, pages, n, states), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(states[i], expected[i] - '0');
}

/* Pages far from each other, and beside each other; absent, resident, the zero page, huge. */
static void single_pages(void **state)
{
	int fd = *(int *)*state;
	char *small = map(8 * page, MADV_NOHUGEPAGE), *large = map(4 * MB, MADV_HUGEPAGE);
	uint64_t at = (uintptr_t)small, huge = ((uintptr_t)large + 2 * MB - 1) & ~(2 * MB - 1);
	uint64_t pages[] = {at, at + page, at + 2 * page, at + 3 * page, at + 7 * page};
	uint64_t both[] = {huge, huge + 5 * page};
	bool is_huge = false;
	struct pagemap_counts counts;

	touch(small + page, 2);
	(void)*(volatile char *)(small + 3 * page);
	touch(small + 7 * page, 1);
	assert_states(fd, pages, 5, "01101");
	assert_states(fd, pages + 1, 1, "1");
	assert_states(fd, pages, 0, "");
	*(volatile char *)huge = 1;
	assert_int_equal(pagemap__count(fd, huge, huge + 2 * MB, &counts), 0);
	is_huge = counts.huge;
	assert_states(fd, both, 2, is_huge ? "22" : "10");
	munmap(small, 8 * page);
	assert_states(fd, pages, 5, "00000");
	munmap(large, 4 * MB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_told_apart),
		cmocka_unit_test(pages_that_were_touched),
		cmocka_unit_test(every_second_page),
		cmocka_unit_test(the_zero_page_is_nobodys),
		cmocka_unit_test(guard_pages_are_not_swapped),
		cmocka_unit_test(shared_and_file_pages),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(huge_pages),
		cmocka_unit_test(single_pages),
	};

	return cmocka_run_group_tests(tests, open_own, close_own);
}
