/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of pages (proc/page_kinds.h) as reports show them: one table for every format. */
#ifndef MEMPROV_KINDS_H
#define MEMPROV_KINDS_H

#include "proc/page_kinds.h"
#include "report/encode.h"
#include "util/json.h"

struct kind_words {
	const char *key;     /* in JSON */
	const char *label;   /* in text */
	const char *heading; /* beside a call site; NULL: not shown there, nor beside a region */
	const char *meaning;
	const char *metric; /* of a process */
	const char *help;
};

extern const struct kind_words kind_words[PAGE_KINDS];

/* Known, and not zero. */
bool kinds__has(const struct page_kinds *kinds, enum page_kind kind);

/* A key for each. */
void kinds__put(struct json *json, const struct page_kinds *kinds);

/* A line for each that there is any of. */
void kinds__add_totals(struct buf *out, const struct page_kinds *kinds, enum unit unit);

/* "  HUGETLB         16 MB", of those that there is any of. */
void kinds__add_columns(struct buf *out, const struct page_kinds *kinds, enum unit unit);

/* "  (HugeTLB 16 MB, LazyFree 8 MB)", or nothing. */
void kinds__add_remark(struct buf *out, const struct page_kinds *kinds, enum unit unit);

#endif
