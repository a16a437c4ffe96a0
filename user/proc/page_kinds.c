// SPDX-License-Identifier: BSD-2-Clause
#include "proc/page_kinds.h"

#include <stddef.h>

const struct page_kinds page_kinds_unknown = {.bytes = {[0 ... PAGE_KINDS - 1] = UNKNOWN_BYTES}};

void page_kinds__add(struct page_kinds *sum, const struct page_kinds *more)
{
	for (size_t i = 0; i < PAGE_KINDS; i++) {
		if (sum->bytes[i] == UNKNOWN_BYTES || more->bytes[i] == UNKNOWN_BYTES)
			sum->bytes[i] = UNKNOWN_BYTES;
		else
			sum->bytes[i] += more->bytes[i];
	}
}

uint64_t page_kinds__held(const struct page_kinds *kinds, uint64_t rss)
{
	uint64_t hugetlb = kinds->bytes[PAGES_HUGETLB];

	return hugetlb == UNKNOWN_BYTES ? rss : rss + hugetlb;
}
