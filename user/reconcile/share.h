/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sharing out a VMA's figures among its parts, so that each figure adds up to the VMA's to the
 * byte. Resident and swapped bytes were counted page by page where that was possible; PSS,
 * private and shared exist for the VMA only, and follow each part's share of its RSS. Kinds of
 * pages are known of a part only where they were counted, or follow from what was.
 */
#ifndef MEMPROV_SHARE_H
#define MEMPROV_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/vma.h"
#include "reconcile/attribution.h"

struct share {
	/* In: the part's size, and what was counted in it; bytes. */
	uint64_t size;
	uint64_t resident;
	uint64_t swapped;
	uint64_t huge;
	/* Out, bytes. */
	uint64_t rss;
	uint64_t pss;
	uint64_t private_;
	uint64_t shared;
	uint64_t swap;
	struct page_kinds kinds;
	enum rss_source source;
};

/* counted: resident, swapped and huge are filled in. When they do not add up to the VMA's figures
 * (the target touched pages between the two readings) or are not there, parts get their proportion
 * of the VMA's figure, in whole pages and never more than fit in them, and say that they are
 * estimated. */
void share__vma(const struct vma *vma, uint64_t page_size, bool counted, struct share *shares,
		size_t n);

/* Only pss, private and shared, by each part's rss; they are 0 before. */
void share__sharing(const struct vma *vma, struct share *shares, size_t n);

#endif
