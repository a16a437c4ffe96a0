/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of an address space have a sample of what touched them first: sorted by address, in
 * chunks that are counted and copied when shared, as the nodes of a ledger are (ledger.h). So a
 * fork and a snapshot cost one reference, and any thread may read and free a snapshot.
 *
 *	index   | * | * | * |
 *	          |   |   +----> | 0x9000  0xf000 |
 *	          |   +--------> | 0x5000  0x6000  0x7000 |
 *	          +------------> | 0x1000  0x2000 |
 *
 * A page has one sample at most. What there is no memory for is not there: samples may be missing
 * anywhere, and are never wrong.
 */
#ifndef MEMPROV_TOUCHES_H
#define MEMPROV_TOUCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/callsite.h"

/* Of one address space. Beyond that, those that stand for few faults go, at random. */
#define TOUCHES_MAX 16384

struct account;
struct touch_index;

struct touch {
	uint64_t addr;	     /* of the page */
	struct trace *trace; /* what touched it; never NULL */
	uint64_t when_ns;    /* CLOCK_BOOTTIME */
	uint32_t faults;     /* that it stands for */
	uint32_t pad;
};

/* A zeroed one is empty; free leaves it so. */
struct touches {
	struct touch_index *index;
	struct account *account; /* of what is added; borrowed; NULL: of none */
};

struct touches touches__copy(const struct touches *touches);
void touches__free(struct touches *touches);
size_t touches__count(const struct touches *touches);

/* Adds one, with a reference to its trace, unless its page has one that is not older than `since`:
 * the first counts. */
void touches__add(struct touches *touches, const struct touch *touch, uint64_t since);

/* Whether the page has one that is not older than `since`. */
bool touches__has(const struct touches *touches, uint64_t addr, uint64_t since);

/* Erases those of pages in [lo, hi) that are not younger than `until`. */
void touches__erase(struct touches *touches, uint64_t lo, uint64_t hi, uint64_t until);

/* Adds those that `from` has in [lo, hi), so much further on (modulo 2^64). */
void touches__move(struct touches *touches, const struct touches *from, uint64_t lo, uint64_t hi,
		   uint64_t distance);

/* So many pages around addr are others now than those that samples of before `since` are of. Each
 * of these stands for pages around it: the nearest ones, if they are near enough for that, stand
 * for so many less in all. What is left of one of this page itself is another page's. */
void touches__debit(struct touches *touches, uint64_t addr, uint32_t pages, uint64_t since,
		    uint64_t page_size);

/* Visits those in [lo, hi) in order of address; stops at the first non-zero result, which is
 * returned. They must not be changed meanwhile. */
typedef int touch_visit_fn(const struct touch *touch, void *ctx);
int touches__each(const struct touches *touches, uint64_t lo, uint64_t hi, touch_visit_fn *visit,
		  void *ctx);

#endif
