/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What smaps says of a process, at less cost: the VMAs from maps, what is resident of each from
 * pagemap, and the sums that only the kernel can make, PSS first of all, from smaps_rollup. Per VMA
 * there are rss and swap, and no pss, private, shared; of kinds of pages, those that the whole
 * process has none of, and huge pages where they add up to what the kernel counts.
 *
 * smaps itself is read where this cannot be had or would not be cheaper, and where the resident
 * pages are not what the kernel counts as Rss although the process stood still: a driver's pages
 * (VMA_IO) and huge pages of hugetlb, which pagemap shows like others.
 */
#ifndef MEMPROV_RESIDENT_H
#define MEMPROV_RESIDENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proc/vma.h"
#include "proc/vmas.h"

#define RESIDENT_ANY_SIZE UINT64_MAX

struct resident {
	struct vma_set set; /* the caller's to free */
	uint64_t size;	    /* bytes, of all VMAs together */
	uint64_t rss;	    /* likewise */

	bool sharing; /* it is smaps: pss, private and shared of each VMA are there */

	/* Of the whole process, bytes; only when `summed`. */
	bool summed;
	uint64_t pss;
	uint64_t swap;
	struct page_kinds kinds;
};

/*
 * For the sums the kernel holds the target's mmap_lock through its largest VMA (rollup.h), and so
 * does smaps: a process with more than `largest` resident bytes in one VMA has none made. Otherwise
 * the lock is held as briefly as pagemap.h says. Errors as procfs__vmas().
 */
int resident__read(int pidfd, uint64_t largest, const atomic_bool *stop, struct resident *ret);

/*
 * For a report of one process: always summed, each VMA's kinds of pages are known, and what is
 * summed is no more than the VMAs have together. smaps is read where not, and where a process has
 * so many pages to a VMA, or fewer than least_vmas, that nothing would be gained. maps: its map if
 * that was read just now, which is taken over; else empty.
 */
int resident__read_report(int pidfd, size_t least_vmas, struct vma_set maps,
			  const atomic_bool *stop, struct resident *ret);

/* Adds up the VMAs, of which all is known. */
void resident__add_up(struct resident *resident);

/* The same from smaps, in full. */
int resident__read_smaps(int pidfd, const atomic_bool *stop, struct resident *ret);

#endif
