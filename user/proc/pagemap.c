// SPDX-License-Identifier: BSD-2-Clause
#include "proc/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"

/* uapi/linux/fs.h of Linux 6.7, which headers we are built with may not have. */
#define SCAN_PRESENT (1ULL << 3) /* PAGE_IS_PRESENT */
#define SCAN_SWAPPED (1ULL << 4) /* PAGE_IS_SWAPPED */
#define SCAN_PFNZERO (1ULL << 5) /* PAGE_IS_PFNZERO */
#define SCAN_HUGE    (1ULL << 6) /* PAGE_IS_HUGE: mapped as one huge page */
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

#define REGIONS_AT_ONCE 512

/*
 * The kernel keeps the target's mmap_lock for a whole ioctl, or until its 512 regions are full
 * (do_pagemap_scan()), so an ioctl gets no more than this to do: pages that it finds, VMAs, and
 * address space, where there may be page tables that hold none. Where there are not even tables, as
 * in the terabytes that a sanitizer or a runtime reserves, the span grows. pagemap's read(2) lets
 * go of the lock every 2 MiB by itself.
 *
 * To let go is not enough: a reader that comes back at once takes the lock before a writer that
 * is still waking up, until that has waited for 4 ms (rwsem_down_read_slowpath()). So now and then
 * there is a pause in which it gets it.
 */
#define PAGES_AT_ONCE  4096
#define VMAS_AT_ONCE   512
#define SPAN_MIN       (1ULL << 30)
#define SPAN_MAX       (1ULL << 36)
#define NO_TABLES_NS   50000 /* an empty span that took no longer had none */
#define PAUSE_AFTER_NS 150000
#define PAUSE_US       10 /* some 60 with the timer's slack */

/* The upper half of the address space is the kernel's: of that, maps shows [vsyscall] alone. */
#define IS_KERNEL_ADDRESS(addr) ((addr) >> 63)

static uint64_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* --- PAGEMAP_SCAN -------------------------------------------------------------------------- */

struct found {
	struct scan_region regions[REGIONS_AT_ONCE];
	uint64_t walked; /* up to where they are all */
};

/* How many there are, or -errno. */
static int scan(int fd, uint64_t start, uint64_t end, uint64_t categories, struct found *ret)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uintptr_t)ret->regions,
		.vec_len = ARRAY_SIZE(ret->regions),
		.max_pages = PAGES_AT_ONCE,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = categories,
	};
	int n;

	do {
		n = ioctl(fd, PAGEMAP_SCAN_REQUEST, &arg);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	ret->walked = arg.walk_end;
	return n;
}

typedef void region_fn(const struct scan_region *region, void *ctx);

/* Calls visit for the runs of pages in a range, which rise. 0 or -errno. */
static int scan_each(int fd, uint64_t start, uint64_t end, uint64_t categories, region_fn *visit,
		     void *ctx)
{
	struct found found;
	uint64_t span = SPAN_MIN, scanned_ns = 0;
	int n;

	while (start < end) {
		uint64_t began = clock__boot_ns(), took;

		n = scan(fd, start, end - start < span ? end : start + span, categories, &found);
		if (n < 0)
			return n;
		took = clock__boot_ns() - began;
		if (n || took > NO_TABLES_NS)
			span = SPAN_MIN;
		else if (span < SPAN_MAX)
			span *= 2;
		for (int i = 0; i < n; i++) {
			if (!(found.regions[i].categories & SCAN_GUARD))
				visit(&found.regions[i], ctx);
		}
		/* A walk that does not move would never end. */
		if (found.walked <= start)
			return -EIO;
		start = found.walked;
		scanned_ns += took;
		if (scanned_ns > PAUSE_AFTER_NS) {
			usleep(PAUSE_US);
			scanned_ns = 0;
		}
	}
	return 0;
}

static void add_bytes(uint64_t categories, uint64_t bytes, uint64_t *resident, uint64_t *swapped)
{
	if (categories & SCAN_SWAPPED)
		*swapped += bytes;
	else if (!(categories & SCAN_PFNZERO))
		*resident += bytes;
}

static void add_region(const struct scan_region *region, void *ctx)
{
	struct pagemap_counts *counts = ctx;
	uint64_t before = counts->resident;

	add_bytes(region->categories, region->end - region->start, &counts->resident,
		  &counts->swapped);
	if (region->categories & SCAN_HUGE)
		counts->huge += counts->resident - before;
}

static int count_by_scan(int fd, uint64_t start, uint64_t end, uint64_t categories,
			 struct pagemap_counts *ret)
{
	struct pagemap_counts counts = {};
	int err = scan_each(fd, start, end, categories, add_region, &counts);

	if (!err)
		*ret = counts;
	return err;
}

/* The VMAs that are still to come: a run of pages may go through several. */
struct cursor {
	struct vma *vma;
	struct vma *end;
};

/* What a huge page of a VMA counts as, unless its file is one of tmpfs that looks like others. */
static uint64_t *huge_bytes(struct vma *vma)
{
	switch ((enum vma_kind)vma->kind) {
	case VMA_FILE:
		return &vma->kinds.bytes[PAGES_FILE_HUGE];
	case VMA_SHARED_ANON:
	case VMA_MEMFD:
	case VMA_SYSV:
	case VMA_DEV_SHM:
	case VMA_SHMEM_NAMED:
		return &vma->kinds.bytes[PAGES_SHMEM_HUGE];
	default:
		return &vma->kinds.bytes[PAGES_ANON_HUGE];
	}
}

static void add_huge(struct vma *vma, uint64_t bytes)
{
	uint64_t *huge = huge_bytes(vma);

	*huge = bytes + (*huge == UNKNOWN_BYTES ? 0 : *huge);
}

static void share_region(const struct scan_region *region, void *ctx)
{
	struct cursor *at = ctx;

	while (at->vma < at->end && at->vma->end <= region->start)
		at->vma++;
	for (struct vma *vma = at->vma; vma < at->end && vma->start < region->end; vma++) {
		uint64_t start = vma->start > region->start ? vma->start : region->start;
		uint64_t end = vma->end < region->end ? vma->end : region->end;
		uint64_t before = vma->rss;

		add_bytes(region->categories, end - start, &vma->rss, &vma->swap);
		if (region->categories & SCAN_HUGE)
			add_huge(vma, vma->rss - before);
	}
}

/* How many of the VMAs lie so near to each other that one scan may do. */
static size_t near_each_other(const struct vma *vmas, size_t n)
{
	size_t i = 1;

	while (i < n && i < VMAS_AT_ONCE && vmas[i].end - vmas[0].start <= SPAN_MIN)
		i++;
	return i;
}

static int count_vmas_by_scan(int fd, struct vma *vmas, size_t n, uint64_t categories)
{
	size_t some;
	int err = 0;

	for (size_t i = 0; !err && i < n; i += some) {
		struct cursor cursor = {&vmas[i], &vmas[n]};

		some = near_each_other(&vmas[i], n - i);
		err = scan_each(fd, vmas[i].start, vmas[i + some - 1].end, categories, share_region,
				&cursor);
	}
	return err;
}

int pagemap__can_scan(int fd)
{
	uint64_t page = page_size();
	struct found found;
	int n = scan(fd, page, 2 * page, SCAN_CATEGORIES, &found);

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

		if (entry & PAGEMAP_SWAPPED && !(entry & PAGEMAP_GUARD))
			counts->swapped += page;
		else if (entry & PAGEMAP_PRESENT &&
			 (!zero_pfn || (entry & PAGEMAP_FRAME) != zero_pfn))
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
	if (read_entries(fd, (uintptr_t)page, &entry, 1) == 1 && entry & PAGEMAP_PRESENT)
		pfn = entry & PAGEMAP_FRAME;
	munmap((void *)page, page_size());
	return pfn;
}

ssize_t pagemap__read_next(int fd, uint64_t *start, uint64_t end, uint64_t entries[PAGEMAP_ENTRIES])
{
	uint64_t want = *start < end ? (end - *start) / page_size() : 0;
	ssize_t n;

	if (!want)
		return 0;
	n = read_entries(fd, *start, entries, want < PAGEMAP_ENTRIES ? want : PAGEMAP_ENTRIES);
	if (n > 0)
		*start += n * page_size();
	return n;
}

int pagemap__count_entries(int fd, uint64_t start, uint64_t end, struct pagemap_counts *ret)
{
	uint64_t entries[PAGEMAP_ENTRIES], zero_pfn = find_zero_pfn();
	struct pagemap_counts counts = {};
	ssize_t n;

	while ((n = pagemap__read_next(fd, &start, end, entries)) > 0)
		pagemap__add_entries(entries, n, zero_pfn, &counts);
	*ret = counts;
	return n;
}

int pagemap__count_exclusive(int fd, uint64_t start, uint64_t end, uint64_t *ret)
{
	uint64_t entries[PAGEMAP_ENTRIES], exclusive = 0;
	ssize_t n;

	while ((n = pagemap__read_next(fd, &start, end, entries)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			exclusive += entries[i] & PAGEMAP_PRESENT && entries[i] & PAGEMAP_EXCLUSIVE;
	}
	*ret = exclusive * page_size();
	return n;
}

int pagemap__count(int fd, uint64_t start, uint64_t end, struct pagemap_counts *ret)
{
	int err;

	if (start > end || (start | end) % page_size())
		return -EINVAL;
	err = count_by_scan(fd, start, end, SCAN_CATEGORIES | SCAN_HUGE | SCAN_GUARD, ret);
	/* A category that the kernel does not know. */
	if (err == -EINVAL)
		err = count_by_scan(fd, start, end, SCAN_CATEGORIES | SCAN_HUGE, ret);
	/* Before 6.7 pagemap had no ioctl at all. */
	if (err == -ENOTTY)
		err = pagemap__count_entries(fd, start, end, ret);
	return err;
}

static int count_vmas_by_entries(int fd, struct vma *vmas, size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		struct pagemap_counts counts;

		err = pagemap__count_entries(fd, vmas[i].start, vmas[i].end, &counts);
		if (err)
			break;
		vmas[i].rss = counts.resident;
		vmas[i].swap = counts.swapped;
	}
	return err;
}

int pagemap__count_vmas(int fd, struct vma *vmas, size_t n, uint64_t max_entries)
{
	uint64_t entries = 0;
	int err;

	while (n && IS_KERNEL_ADDRESS(vmas[n - 1].start))
		n--;
	err = count_vmas_by_scan(fd, vmas, n, SCAN_CATEGORIES | SCAN_HUGE | SCAN_GUARD);
	if (err == -EINVAL)
		err = count_vmas_by_scan(fd, vmas, n, SCAN_CATEGORIES | SCAN_HUGE);
	if (err != -ENOTTY)
		return err;
	for (size_t i = 0; i < n; i++)
		entries += (vmas[i].end - vmas[i].start) / page_size();
	return entries > max_entries ? -E2BIG : count_vmas_by_entries(fd, vmas, n);
}

/* --- single pages -------------------------------------------------------------------------- */

struct looking {
	const uint64_t *pages;
	uint8_t *states;
	size_t n;
	size_t at; /* those before have been found, or passed */
};

static void mark_pages(const struct scan_region *region, void *ctx)
{
	struct looking *l = ctx;
	bool resident = !(region->categories & (SCAN_SWAPPED | SCAN_PFNZERO));

	for (; l->at < l->n && l->pages[l->at] < region->end; l->at++) {
		if (resident && l->pages[l->at] >= region->start)
			l->states[l->at] =
				region->categories & SCAN_HUGE ? PAGE_RESIDENT_HUGE : PAGE_RESIDENT;
	}
}

static int look_by_scan(int fd, struct looking *l, uint64_t categories)
{
	uint64_t page = page_size();
	int err = 0;

	for (size_t from = 0, to; !err && from < l->n; from = to) {
		for (to = from + 1; to < l->n && l->pages[to] - l->pages[to - 1] <= SPAN_MIN;)
			to++;
		l->at = from;
		err = scan_each(fd, l->pages[from], l->pages[to - 1] + page, categories, mark_pages,
				l);
	}
	return err;
}

static int look_by_entries(int fd, struct looking *l)
{
	uint64_t zero_pfn = find_zero_pfn(), entry;

	for (size_t i = 0; i < l->n; i++) {
		struct pagemap_counts counts = {};
		ssize_t n = read_entries(fd, l->pages[i], &entry, 1);

		if (n < 0)
			return n;
		pagemap__add_entries(&entry, n, zero_pfn, &counts);
		l->states[i] = counts.resident ? PAGE_RESIDENT : PAGE_ABSENT;
	}
	return 0;
}

int pagemap__look(int fd, const uint64_t *pages, size_t n, uint8_t *ret_states)
{
	struct looking l = {.pages = pages, .states = ret_states, .n = n};
	int err;

	memset(ret_states, PAGE_ABSENT, n);
	err = look_by_scan(fd, &l, SCAN_CATEGORIES | SCAN_HUGE | SCAN_GUARD);
	if (err == -EINVAL)
		err = look_by_scan(fd, &l, SCAN_CATEGORIES | SCAN_HUGE);
	return err == -ENOTTY ? look_by_entries(fd, &l) : err;
}
