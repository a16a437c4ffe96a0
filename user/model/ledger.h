/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger: which ranges of one address space exist, what created them, what they were named.
 *
 *          0x1000     0x3000     0x4000        0x8000
 *             |----------|          |-------------|
 *              record A              record B
 *              no name               name "cache"
 *
 * Ranges are half open, never overlap and never touch the same byte twice; a byte that is in no
 * range is one that nothing is known of. A mapping that was cut (a munmap in its middle, a name
 * over a part) is several ranges with one record.
 *
 * It is a treap (Seidel and Aragon, "Randomized search trees", 1996) whose nodes are counted and
 * copied when shared: a copy of a ledger is one more reference to its root, and a change copies
 * only the nodes on its way down. So
 *   - a fork costs the same for 10 ranges and for 60,000, and a thousand children that change
 *     little share nearly everything;
 *   - a request takes a snapshot at once and reads it on its own thread, without a lock, while
 *     the owner goes on changing the original.
 * With a single holder nothing is copied: changes are made in place, in O(log n).
 *
 * One thread at a time changes ledgers; any thread may read and free a snapshot.
 */
#ifndef MEMPROV_LEDGER_H
#define MEMPROV_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/name.h"
#include "model/record.h"

/* A process that maps more pieces than this is refused further ones (they become unknown): one
 * page per mapping, all merged into one VMA, has no other limit. */
#define LEDGER_MAX_RANGES (1u << 18)

/* What a range takes, at most: its node and its record, as malloc rounds them. */
#define LEDGER_RANGE_BYTES 192

struct account;
struct ledger_node;

/* Nodes put aside, so that a change that has begun cannot run out of memory half done; and the
 * source of the treap's priorities. One for all ledgers of the changing thread. */
struct ledger_pool;
struct ledger_pool *ledger_pool__new(void);	  /* NULL when out of memory */
void ledger_pool__free(struct ledger_pool *pool); /* accepts NULL */

struct ledger {
	struct ledger_node *root;
	struct account *account; /* of what is added to it; borrowed; NULL: of none */
};

struct ledger_range {
	uint64_t start;
	uint64_t end;
	struct record *record; /* borrowed: lives as long as the ledger it was read from */
	struct name *name;     /* borrowed; NULL: none */
	uint64_t touched_ns;   /* the event that last mapped it, or moved it here */
	uint64_t named_ns;     /* the event that last named it, or took its name away; 0: none */
};

/* Holding on and letting go. A zeroed ledger is an empty one; free leaves it so. */
struct ledger ledger__copy(const struct ledger *ledger);
void ledger__free(struct ledger *ledger);
size_t ledger__count(const struct ledger *ledger); /* ranges */

/* Of them, those that begin within [lo, hi): in O(log n). */
size_t ledger__count_within(const struct ledger *ledger, uint64_t lo, uint64_t hi);

/*
 * Changes. Addresses are page aligned with lo < hi. 0; -ENOMEM; -ENOSPC for the limit above. After
 * an error the ledger is as it was, except that naming may have reached only some of the ranges.
 *
 * put replaces whatever was in [lo, hi). A neighbour with the same record and name becomes one
 * range with it.
 */
int ledger__put(struct ledger *ledger, struct ledger_pool *pool, const struct ledger_range *range);
int ledger__erase(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi);

/* Erases what was last touched at `until` or before. */
int ledger__erase_older(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi,
			uint64_t until);

/* Visits the ranges that meet [lo, hi), clipped to it, in order of address; stops at the first
 * non-zero result, which is returned. The ledger must not be changed meanwhile. */
typedef int ledger_visit_fn(const struct ledger_range *range, void *ctx);
int ledger__each(const struct ledger *ledger, uint64_t lo, uint64_t hi, ledger_visit_fn *visit,
		 void *ctx);

/* The same, of the ranges as they are now: the visitor may change the ledger. */
int ledger__rewrite(struct ledger *ledger, uint64_t lo, uint64_t hi, ledger_visit_fn *visit,
		    void *ctx);

#endif
