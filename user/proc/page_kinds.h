/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Amounts that the kernel counts beside Rss, by kind of page: some pages are of several kinds, most
 * of none. hugetlb's pages are not part of Rss; all others are, but for those that KSM has replaced
 * by the zero page.
 *
 * The kernel tells each kind for a whole VMA, and not every kernel tells all of them. What is not
 * known is UNKNOWN_BYTES.
 */
#ifndef MEMPROV_PAGE_KINDS_H
#define MEMPROV_PAGE_KINDS_H

#include <stdint.h>

#define UNKNOWN_BYTES UINT64_MAX /* a figure that is not known: null in JSON */

enum page_kind {
	PAGES_HUGETLB,	  /* Shared_Hugetlb and Private_Hugetlb */
	PAGES_LAZYFREE,	  /* LazyFree: given back by MADV_FREE, and not taken yet */
	PAGES_KSM,	  /* KSM: merged with pages of the same content (Linux 6.8) */
	PAGES_ANON_HUGE,  /* AnonHugePages: transparent huge pages */
	PAGES_SHMEM_HUGE, /* ShmemPmdMapped: the same of shared memory */
	PAGES_FILE_HUGE,  /* FilePmdMapped: the same of files */
	PAGE_KINDS,
};

struct page_kinds {
	uint64_t bytes[PAGE_KINDS];
};

extern const struct page_kinds page_kinds_unknown;

/* A sum with something unknown in it is unknown. */
void page_kinds__add(struct page_kinds *sum, const struct page_kinds *more);

/* All the memory that is held: what is resident, and hugetlb's pages as far as they are known. */
uint64_t page_kinds__held(const struct page_kinds *kinds, uint64_t rss);

#endif
