/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What joining the ledger to a snapshot gives: the snapshot's VMAs, cut where what is known of
 * them changes. The parts of a VMA add up to the VMA in every figure, but for kinds
 * of pages, which the kernel does not tell of a part.
 */
#ifndef MEMPROV_ATTRIBUTION_H
#define MEMPROV_ATTRIBUTION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/callsite.h"
#include "model/origin.h"
#include "proc/page_kinds.h"

enum coverage {
	COVERAGE_ATTRIBUTED, /* its creation was witnessed */
	COVERAGE_PREDATES,
	COVERAGE_KERNEL, /* exec's own mappings, the main stack, vdso */
	COVERAGE_UNKNOWN,
	COVERAGES,
};

enum name_source { NAME_NONE, NAME_KERNEL, NAME_PRCTL, NAME_INFERRED, NAME_FILE };

enum rss_source {
	RSS_SMAPS,     /* the VMA's own figure: the part is a whole VMA */
	RSS_PAGEMAP,   /* counted page by page */
	RSS_ESTIMATED, /* shared out by size: pages could not be counted, or changed meanwhile */
};

/* The one place in the breakdown where a part's resident bytes are counted. */
enum category {
	CATEGORY_RUNTIME_HEAP,
	CATEGORY_RUNTIME_STACK,
	CATEGORY_RUNTIME_METADATA,
	CATEGORY_NAMED,
	CATEGORY_LIBRARY,
	CATEGORY_BINARY,
	CATEGORY_OTHER_FILE,
	CATEGORY_SHARED_MEMORY,
	CATEGORY_ANON_RW,
	CATEGORY_ANON_RO,
	CATEGORY_ANON_X,
	CATEGORY_OTHER,
	CATEGORIES,
};

#define PART_COMM_LEN 16

struct part {
	uint64_t start;
	uint64_t end; /* exclusive */
	uint64_t offset;
	uint64_t inode;

	uint64_t rss; /* bytes, here and below */
	uint64_t pss; /* these three only of as many parts as were asked for (report/detail.h) */
	uint64_t private_;
	uint64_t shared;
	uint64_t swap;
	struct page_kinds kinds;
	enum rss_source rss_source;
	char perms[5];
	bool inherited;		/* the parent made it, before the fork */
	bool is_memory;		/* anonymous or shared: has pages that were touched first */
	bool exec_seen;		/* of the process, or one that it was forked from */
	uint64_t touch_samples; /* whose pages are resident */

	const char *name; /* as shown: "[anon: TXMetaCache]", "/lib/x.so", "[heap]"; NULL: none */
	const char *given_name; /* "TXMetaCache": what a program called anonymous memory; or NULL */
	enum name_source name_source;
	enum category category;

	enum origin origin;
	enum coverage coverage;
	uint32_t tid;		    /* of its creator; 0: not known */
	char thread[PART_COMM_LEN]; /* the creator's name then; "": not known */
	uint64_t created_ns;	    /* CLOCK_BOOTTIME; 0: not known */
	/* The stacks of the creation and of the naming; borrowed from the ledger that was joined.
	 * NULL: none were taken. */
	struct trace *trace;
	struct trace *name_trace;
	struct trace *reservation; /* as in struct record; borrowed, too */
	/* What they have been unwound to; NULL: not known. */
	struct callsite *callsite;
	struct callsite *named_by;
};

const char *origin__name(enum origin origin);
const char *name_source__name(enum name_source source);
const char *rss_source__name(enum rss_source source);

/* What the file behind a VMA is to the process. */
enum file_role { FILE_ROLE_BINARY, FILE_ROLE_LOADER, FILE_ROLE_LIBRARY, FILE_ROLE_OTHER };

#endif
