/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of a range are resident, where smaps only has the figure of a whole VMA.
 *
 * With PAGEMAP_SCAN (Linux 6.7) the kernel walks the range and reports runs of pages; before
 * that, each page has 8 bytes in /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
 * Pages count as in smaps' Rss: present ones, without the zero page, which no process owns. That
 * holds for memory; smaps' Rss has no pages of hugetlb and none of a driver (VMA_IO).
 *
 * Only PAGEMAP_SCAN tells the huge zero page, since 6.17; elsewhere a huge page
 * that was only read is counted as 2 MiB of memory.
 *
 * PAGEMAP_SCAN holds the target's mmap_lock for 4,096 pages that are there or swapped, or 1 GiB of
 * address space, at most; behind empty space without page tables, for up to 64 GiB. Reading pagemap
 * holds it for 2 MiB.
 */
#ifndef MEMPROV_PAGEMAP_H
#define MEMPROV_PAGEMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* PAGEMAP_SCAN of uapi/linux/fs.h, for filters of system calls. */
#define PAGEMAP_SCAN_REQUEST _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, 96)

#include "proc/vma.h"

struct pagemap_counts {
	uint64_t resident; /* bytes */
	uint64_t swapped;  /* bytes */
	uint64_t huge;	   /* of the resident, in huge pages; PAGEMAP_SCAN alone tells, else 0 */
};

/* fd is an open /proc/PID/pagemap; start and end are page aligned. 0 or -errno; ret untouched on
 * failure. Chooses PAGEMAP_SCAN where the kernel has it. */
int pagemap__count(int fd, uint64_t start, uint64_t end, struct pagemap_counts *ret);

/* Bytes of a range without huge pages that this process alone has mapped: what smaps counts as
 * private. As above. */
int pagemap__count_exclusive(int fd, uint64_t start, uint64_t end, uint64_t *ret);

/*
 * Fills in rss and swap of VMAs that were read from maps, whose amounts are all 0 and whose
 * kinds are not known; and of those that PAGEMAP_SCAN finds huge pages in, how much that is.
 * Without PAGEMAP_SCAN every page of address space costs, also where there is nothing: -E2BIG when
 * they are more than max_entries. Otherwise 0 or -errno; after an error the amounts are of no use.
 */
int pagemap__count_vmas(int fd, struct vma *vmas, size_t n, uint64_t max_entries);

/* An entry of /proc/PID/pagemap, of one page. */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)
/* Mapped by this process alone, and once: since 4.2. Where a huge page is mapped as one, its first
 * page speaks for all of them before Linux 6.11 (pagemap_pmd_range()), and in 6.18 again. */
#define PAGEMAP_EXCLUSIVE (1ULL << 56)
#define PAGEMAP_GUARD	  (1ULL << 58) /* madvise(MADV_GUARD_INSTALL), shown since 6.15 */
#define PAGEMAP_FRAME	  ((1ULL << 55) - 1)

#define PAGEMAP_ENTRIES 2048 /* are read at once */

/* The next entries, from *start on, which moves behind them. How many; 0 at the end, also that of
 * user space; or -errno. */
ssize_t pagemap__read_next(int fd, uint64_t *start, uint64_t end,
			   uint64_t entries[PAGEMAP_ENTRIES]);

enum page_state {
	PAGE_ABSENT, /* or the zero page, or swapped out */
	PAGE_RESIDENT,
	PAGE_RESIDENT_HUGE, /* a part of a huge page; PAGEMAP_SCAN alone tells */
};

/* What is at each of n pages, whose addresses rise. 0 or -errno: then nothing is known. */
int pagemap__look(int fd, const uint64_t *pages, size_t n, uint8_t *ret_states);

/* 1 when this kernel has PAGEMAP_SCAN, 0 when not, or -errno. fd as above. */
int pagemap__can_scan(int fd);

/* The older way alone, for kernels without PAGEMAP_SCAN. As pagemap__count(), which chooses it. */
int pagemap__count_entries(int fd, uint64_t start, uint64_t end, struct pagemap_counts *ret);

/* The pure part of the older way: adds up n entries of pagemap. zero_pfn is the frame number of
 * the zero page, 0 when it is not known (frame numbers are hidden without CAP_SYS_ADMIN). */
void pagemap__add_entries(const uint64_t *entries, size_t n, uint64_t zero_pfn,
			  struct pagemap_counts *counts);

#endif
