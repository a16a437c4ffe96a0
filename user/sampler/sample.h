/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one process had at one moment, in short: what lists, metrics and growth need. It is made
 * once, never changed, and counted, so that a list holds on to it while a newer one takes its
 * place.
 */
#ifndef MEMPROV_SAMPLE_H
#define MEMPROV_SAMPLE_H

#include <stdlib.h>

#include "proc/memory.h"
#include "report/snapshot.h"
#include "util/refs.h"

/* CPU time of the sample of a large process: one of some 5,000 VMAs. */
#define SAMPLE_LARGE_NS 10000000

/* RSS from which on an observed process does not wait for its stacks (wants_stacks()). */
#define SAMPLE_WANTS_BYTES (8ULL << 20)

/* Names beyond this, the smallest, are summed in one. */
#define SAMPLE_NAMES 1000

struct sample {
	unsigned refs;
	pid_t pid;
	uint64_t start_ticks;
	uint64_t exec_space; /* as in struct space; 0: not known */
	uint64_t program;    /* as in struct program */

	/* As things were just before: what differs later has changed. */
	struct proc_memory memory;
	uint64_t space_id;
	uint64_t generation;
	bool unsettled; /* names or call sites were missing, or maps was torn */

	uint64_t taken_ns;  /* CLOCK_BOOTTIME */
	uint64_t summed_ns; /* the same of pss, swap, kinds; 0: they are not known */
	uint64_t cost_ns;   /* CPU time */

	uint64_t rss; /* bytes, here and below */
	uint64_t pss;
	uint64_t swap;
	struct page_kinds kinds;
	uint64_t by_category_group[CATEGORY_GROUPS]; /* these two add up to rss */
	uint64_t by_coverage[COVERAGES];
	size_t n_named;
	struct named_row named[]; /* largest first; their strings lie behind them */
};

/*
 * Takes one. `largest` as resident__read() has it: where that leaves pss, swap and kinds out (0:
 * always), those of `before` (NULL: there is none) stay, with their time. Errors as
 * taker__process().
 */
int sample__take(const struct taker *taker, pid_t pid, uint64_t largest,
		 const struct sample *before, struct visitor *visitor, struct sample **ret);

static inline struct sample *sample__ref(struct sample *sample)
{
	if (sample)
		refs__get(&sample->refs);
	return sample;
}

static inline void sample__unref(struct sample *sample)
{
	if (sample && refs__put(&sample->refs))
		free(sample);
}

#endif
