/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What touched resident memory first: the exact resident bytes of each part are distributed over
 * the stacks of the samples whose pages are resident in it.
 *
 *      part      |==============================|  rss 8 MiB
 *      samples     A     B  A       A      B         of 1 fault, 1, 4, 1, 1
 *      shares    A 6 MiB, B 2 MiB                    to the byte
 *
 * A fault that brought a huge page stands for its 512 pages. What a sample cannot tell of has
 * no site: parts without samples; what is more than the samples of a part can stand for, by all
 * chance: what was touched before us, or what the kernel filled without a fault (MAP_POPULATE,
 * mlock, userfaultfd); what stacks that cannot be known have touched. Pure.
 */
#ifndef MEMPROV_TOUCHED_H
#define MEMPROV_TOUCHED_H

#include "model/touches.h"
#include "reconcile/attribution.h"

/* A sample whose page is resident. */
struct touch_sample {
	uint64_t addr;
	struct trace *trace;
	uint64_t when_ns;
	uint32_t faults; /* that it stands for */
	uint32_t pages;	 /* that each of these brought */
};

struct touch_list {
	struct touch_sample *samples; /* in order of address */
	size_t n;
	bool several;	/* as in struct touch_reading */
	uint64_t *gone; /* pages of samples that are not resident */
	size_t n_gone;
};

void touch_list__free(struct touch_list *list); /* leaves it empty */

/* What is at each of n pages, whose addresses rise: enum page_state. 0 or -errno. */
typedef int look_at_pages_fn(const uint64_t *pages, size_t n, uint8_t *ret_states, void *ctx);

struct touch_reading {
	const struct touches *touches;
	uint64_t forked_ns; /* when the process came to its parent's samples; 0: it has none of
			       those */
	struct part *parts; /* in order of address */
	size_t n_parts;
	uint64_t page_size;
	bool several; /* a fault may bring more pages than one, and none tells how many */
	look_at_pages_fn *look;
	void *ctx;
};

/* The samples that lie in parts of memory that was touched, and counts them for the parts; the
 * traces are borrowed. 0 or -ENOMEM. When pages cannot be looked at there are none. */
int touch_list__make(const struct touch_reading *reading, struct touch_list *ret);

/* True when the stacks of some have not been unwound yet. */
bool touch_samples__wait(const struct touch_sample *samples, size_t n);

/* Of a part, what one stack has touched. */
struct touch_share {
	struct callsite *site; /* NULL: not known */
	uint64_t rss;
	double variance; /* of rss, bytes² */
	uint64_t samples;
	uint64_t first_ns;
	uint64_t last_ns;
};

typedef int touch_share_fn(const struct part *part, const struct touch_share *share, void *ctx);

/* Hands on the shares of each part that is memory, in any order, which add up to its rss. Stops at
 * the first non-zero result, which is returned; or -ENOMEM. */
int touched__share_out(const struct part *parts, size_t n_parts, const struct touch_list *touches,
		       uint64_t page_size, touch_share_fn *fn, void *ctx);

#endif
