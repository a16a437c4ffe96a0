// SPDX-License-Identifier: BSD-2-Clause
#include "proc/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"

/* uapi/linux/fs.h of Linux 6.7, which headers we are built with may not have. */
#define SCAN_PRESENT (1ULL << 3) /* PAGE_IS_PRESENT */
#define SCAN_SWAPPED (1ULL << 4) /* PAGE_IS_SWAPPED */
#define SCAN_PFNZERO (1ULL << 5) /* PAGE_IS_PFNZERO */
#define SCAN_GUARD   (1ULL << 8) /* PAGE_IS_GUARD, 6.15: shown as swapped, but nothing is */

struct scan_region { /* struct page_region */
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct scan_arg { /* struct pm_scan_arg */
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end; /* out: where it stopped */
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_CATEGORIES (SCAN_PRESENT | SCAN_SWAPPED | SCAN_PFNZERO)

_Static_assert(PAGEMAP_SCAN_REQUEST == _IOWR('f', 16, struct scan_arg), "as the kernel has it");

/* An entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_SWAPPED (1ULL << 62)
#define ENTRY_GUARD   (1ULL << 58) /* madvise(MADV_GUARD_INSTALL), shown since 6.15 */
#define ENTRY_PFN     ((1ULL << 55) - 1)

#define REGIONS_AT_ONCE 512
#define ENTRIES_AT_ONCE 2048

static uint64_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* --- PAGEMAP_SCAN -------------------------------------------------------------------------- */

static int scan(int fd, uint64_t start, uint64_t end, uint64_t categories,
		struct scan_region *regions, size_t len, uint64_t *ret_walked)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = len,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = categories,
	};
	int n;

	do {
		n = ioctl(fd, PAGEMAP_SCAN_REQUEST, &arg);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_walked = arg.walk_end;
	return n;
}

static int count_by_scan(int fd, uint64_t start, uint64_t end, uint64_t categories,
			 struct pagemap_counts *ret)
{
	struct scan_region regions[REGIONS_AT_ONCE];
	struct pagemap_counts counts = {};
	uint64_t walked;
	int n;

	while (start < end) {
		n = scan(fd, start, end, categories, regions, ARRAY_SIZE(regions), &walked);
		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			uint64_t bytes = regions[i].end - regions[i].start;

			if (regions[i].categories & SCAN_GUARD)
				continue;
			if (regions[i].categories & SCAN_SWAPPED)
				counts.swapped += bytes;
			else if (!(regions[i].categories & SCAN_PFNZERO))
				counts.resident += bytes;
		}
		/* A walk that does not move would never end. */
		if (walked <= start)
			return -EIO;
		start = walked;
	}
	*ret = counts;
	return 0;
}

int pagemap__can_scan(int fd)
{
	uint64_t page = page_size(), walked;
	struct scan_region region;
	int n = scan(fd, page, 2 * page, SCAN_CATEGORIES, &region, 1, &walked);

	if (n == -ENOTTY)
		return 0;
	return n < 0 ? n : 1;
}

/* --- entries ------------------------------------------------------------------------------- */

void pagemap__add_entries(const uint64_t *entries, size_t n, uint64_t zero_pfn,
			  struct pagemap_counts *counts)
{
	uint64_t page = page_size();

	for (size_t i = 0; i < n; i++) {
		uint64_t entry = entries[i];

		if (entry & ENTRY_SWAPPED && !(entry & ENTRY_GUARD))
			counts->swapped += page;
		else if (entry & ENTRY_PRESENT && (!zero_pfn || (entry & ENTRY_PFN) != zero_pfn))
			counts->resident += page;
	}
}

static ssize_t read_entries(int fd, uint64_t start, uint64_t *entries, size_t n)
{
	ssize_t len;

	do {
		len = pread(fd, entries, n * sizeof(*entries),
			    start / page_size() * sizeof(*entries));
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len / (ssize_t)sizeof(*entries);
}

/* A private page that was only read is the zero page: ours tells its frame number. */
static uint64_t find_zero_pfn(void)
{
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0, pfn = 0;
	volatile char *page;

	if (fd < 0)
		return 0;
	page = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return 0;
	(void)*page;
	if (read_entries(fd, (uintptr_t)page, &entry, 1) == 1 && entry & ENTRY_PRESENT)
		pfn = entry & ENTRY_PFN;
	munmap((void *)page, page_size());
	return pfn;
}

int pagemap__count_entries(int fd, uint64_t start, uint64_t end, struct pagemap_counts *ret)
{
	uint64_t entries[ENTRIES_AT_ONCE], page = page_size(), zero_pfn = find_zero_pfn();
	struct pagemap_counts counts = {};

	while (start < end) {
		uint64_t want = (end - start) / page;
		ssize_t n = read_entries(fd, start, entries,
					 want < ENTRIES_AT_ONCE ? want : ENTRIES_AT_ONCE);

		if (n < 0)
			return n;
		/* Behind the last address of user space. */
		if (!n)
			break;
		pagemap__add_entries(entries, n, zero_pfn, &counts);
		start += n * page;
	}
	*ret = counts;
	return 0;
}

int pagemap__count(int fd, uint64_t start, uint64_t end, struct pagemap_counts *ret)
{
	int err;

	if (start > end || (start | end) % page_size())
		return -EINVAL;
	err = count_by_scan(fd, start, end, SCAN_CATEGORIES | SCAN_GUARD, ret);
	/* A category that the kernel does not know. */
	if (err == -EINVAL)
		err = count_by_scan(fd, start, end, SCAN_CATEGORIES, ret);
	/* Before 6.7 pagemap had no ioctl at all. */
	if (err == -ENOTTY)
		err = pagemap__count_entries(fd, start, end, ret);
	return err;
}
