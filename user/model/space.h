/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One address space: its ledger, and what else is known of it. Threads share one, and so do a vfork
 * child and its parent until the child's exec; a fork copies it. Only the model's thread touches
 * it.
 */
#ifndef MEMPROV_SPACE_H
#define MEMPROV_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gone_code.h"
#include "model/known_stacks.h"
#include "model/ledger.h"
#include "model/touches.h"

/* Where the heap ends, when it is not an address. */
#define HEAP_END_UNKNOWN  0 /* it may have moved unseen: the next brk only tells where it is now */
#define HEAP_END_AT_START 1 /* it is still empty: it ends where the next brk says it begins */

struct thread_stack;
struct transit;

/*
 * Lost events spoke of addresses within [lo, hi), the latest of them at `until`: what the ledger
 * knows there from before is suspect. Events from before and after the losses are still to come
 * from the ring, so it is not erased at once: what is older goes when the first later event comes,
 * and again before anything looks; and nothing of it moves elsewhere.
 */
struct suspect {
	uint64_t lo;
	uint64_t hi; /* 0: nothing is suspect */
	uint64_t until;
	bool swept;
};

void suspect__widen(struct suspect *suspect, uint64_t lo, uint64_t hi, uint64_t until);

/* Stacks that have to be unwound: how many were asked for, and how many have been answered. One
 * for a space and all that were forked from it, which have inherited their ranges. */
struct pending {
	unsigned refs;
	uint64_t asked;
	uint64_t answered;
};

void pending__unref(struct pending *pending); /* accepts NULL */

struct space {
	unsigned users;		   /* processes */
	struct space_tools *tools; /* borrowed */
	struct account *account;
	uint64_t given_up; /* how often something of it was, for want of memory or time */
	uint64_t id;	   /* never used twice */
	/* Counts the changes of the map: two equal readings around a snapshot say that the
	 * snapshot shows the ledger's own state. */
	uint64_t generation;
	struct ledger ledger;
	uint64_t heap_end;     /* page aligned, or one of the above */
	uint64_t heap_end_ns;  /* when it was there: what is lost from before does not matter */
	bool heap_end_learned; /* from maps, where it may seem lower or higher than it is */
	/* The id of the space whose exec was witnessed, this one or one it was forked from: what
	 * no event made, that exec made. 0: none. */
	uint64_t exec_space;
	struct transit *transits; /* mremap calls that have begun and not ended */
	struct record
		*unwitnessed; /* of named ranges whose creation was not seen; made when needed */
	struct thread_stack *thread_stacks;
	struct known_stacks *known_stacks;
	/* Changes whenever code is mapped or unmapped; never used twice. */
	uint64_t code_id;
	uint64_t code_added_ns; /* when code was last mapped; 0: never */
	uint64_t code_gone_ns;	/* when code last went that known stacks ran through, or exec */
	struct gone_code *gone_code; /* NULL: none went while stacks waited */
	struct uses *uses;	     /* what each trace has mapped so far: uses.h */
	struct pending *pending;     /* its stacks, and those of its forebears, that wait */
	bool late_names;	     /* there have been some: name.h */
	struct suspect suspect;
	struct touches touches; /* what touched its pages first: touching.h */
	uint64_t forked_ns;	/* older ones were the parent's pages; 0: it was not forked */
	bool forked_from;	/* some of its pages may be a child's, too */
	struct suspect stale;	/* where older samples may be of pages that are gone, and
				 * what is there, its own */
	bool overflowed;	/* LEDGER_MAX_RANGES was reached */
};

/* What changes need besides the space; one per model. */
struct space_tools {
	struct ledger_pool *pool;
	uint64_t page_size;
	uint64_t last_id;
	uint64_t last_code_id;
	struct known_stacks_pool known_stacks;
	struct budget *budget; /* borrowed; NULL: nothing is counted */
};

/* With one user. NULL when out of memory. The tools must outlive all spaces. */
struct space *space__new(struct space_tools *tools);
struct space *space__fork(const struct space *parent);
struct space *space__ref(struct space *space);
void space__unref(struct space *space); /* accepts NULL */

/* Forgets all that the space holds of its past, for want of memory: it is unknown from here on. */
void space__forget(struct space *space);

/* [addr, addr + len) in whole units, a power of two; false when that is empty or wraps, or begins
 * within a page, which every one of these calls refuses. */
bool space__whole_pages(const struct space *space, uint64_t addr, uint64_t len, uint64_t unit,
			uint64_t *lo, uint64_t *hi);

/* One event is about to change every range within [lo, hi). False when that is more work than it
 * may cause (account.h): then nothing is known there any more. */
bool space__may_change(struct space *space, uint64_t lo, uint64_t hi);

/* The ledger does not know any more what lies in [lo, hi): nothing there is taken for the
 * parent's. */
void space__forget_makers(struct space *space, uint64_t lo, uint64_t hi);

#endif
