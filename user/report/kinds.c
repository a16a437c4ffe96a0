// SPDX-License-Identifier: BSD-2-Clause
#include "report/kinds.h"

#include <stdbool.h>
#include <string.h>

#include "report/amount.h"

#define LABEL_WIDTH  16
#define AMOUNT_WIDTH 10

const struct kind_words kind_words[PAGE_KINDS] = {
	[PAGES_HUGETLB] =
		{"hugetlb", "HugeTLB", "HUGETLB", "not in RSS: pages reserved as huge ones",
		 "process_hugetlb_bytes",
		 "Huge pages of hugetlb that a process has mapped, not part of its resident "
		 "memory."},
	[PAGES_LAZYFREE] = {"lazyfree", "LazyFree", "LAZYFREE",
			    "in RSS; freed by MADV_FREE, and taken when the kernel needs memory",
			    "process_lazyfree_bytes",
			    "Resident memory that a process has freed and the kernel has not taken "
			    "yet."},
	[PAGES_KSM] = {"ksm", "KSM", "KSM", "in RSS; shared with pages of the same content",
		       "process_ksm_bytes",
		       "Memory of a process that is merged with pages of the same content."},
	[PAGES_ANON_HUGE] = {"anon_huge_pages", "AnonHugePages", NULL,
			     "in RSS; transparent huge pages", "process_anon_huge_pages_bytes",
			     "Anonymous resident memory of a process in transparent huge pages."},
	[PAGES_SHMEM_HUGE] = {"shmem_pmd_mapped", "ShmemPmdMapped", NULL,
			      "in RSS; shared memory in transparent huge pages",
			      "process_shmem_pmd_mapped_bytes",
			      "Shared memory of a process that is mapped in huge pages."},
	[PAGES_FILE_HUGE] = {"file_pmd_mapped", "FilePmdMapped", NULL,
			     "in RSS; files in transparent huge pages",
			     "process_file_pmd_mapped_bytes",
			     "Files of a process that are mapped in huge pages."},
};

bool kinds__has(const struct page_kinds *kinds, enum page_kind kind)
{
	return kinds->bytes[kind] && kinds->bytes[kind] != UNKNOWN_BYTES;
}

void kinds__put(struct json *json, const struct page_kinds *kinds)
{
	for (size_t i = 0; i < PAGE_KINDS; i++)
		amount__put(json, kind_words[i].key, kinds->bytes[i]);
}

void kinds__add_totals(struct buf *out, const struct page_kinds *kinds, enum unit unit)
{
	for (size_t i = 0; i < PAGE_KINDS; i++) {
		if (!kinds__has(kinds, i))
			continue;
		buf__printf(out, "%s:%*s", kind_words[i].label,
			    LABEL_WIDTH - 1 - (int)strlen(kind_words[i].label), "");
		amount__add(out, kinds->bytes[i], AMOUNT_WIDTH, unit);
		buf__printf(out, "  %s\n", kind_words[i].meaning);
	}
}

void kinds__add_columns(struct buf *out, const struct page_kinds *kinds, enum unit unit)
{
	for (size_t i = 0; i < PAGE_KINDS; i++) {
		if (!kind_words[i].heading || !kinds__has(kinds, i))
			continue;
		buf__printf(out, "  %s ", kind_words[i].heading);
		amount__add(out, kinds->bytes[i], AMOUNT_WIDTH, unit);
	}
}

void kinds__add_remark(struct buf *out, const struct page_kinds *kinds, enum unit unit)
{
	const char *before = "  (";

	for (size_t i = 0; i < PAGE_KINDS; i++) {
		if (!kind_words[i].heading || !kinds__has(kinds, i))
			continue;
		buf__printf(out, "%s%s ", before, kind_words[i].label);
		amount__add(out, kinds->bytes[i], 0, unit);
		before = ", ";
	}
	if (*before == ',')
		buf__puts(out, ")");
}
