/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call sites: stacks after unwinding, each kept once for the whole node, so that two are equal
 * when their addresses are. A call site never changes; it is counted, and outlives the process.
 */
#ifndef MEMPROV_CALLSITE_H
#define MEMPROV_CALLSITE_H

#include "util/budget.h"
#include "wire/frame.h"

/* What the table may hold, or a quarter of the budget's tables. When it is full and nothing in it
 * is unused, further stacks become the one call site that stands for all others:
 * callsite__is_other(). */
#define CALLSITES_MAX_BYTES (48u << 20)

struct callsite {
	unsigned refs;
	uint64_t hash;
	size_t bytes; /* that it takes */
	uint64_t account;
	enum stack_source source;
	bool truncated;
	/* What the classifier made of it, once: */
	int owner;	   /* index of the frame whose code it is; -1: none */
	unsigned use;	   /* of reconcile/frames.h */
	bool as_reserved;  /* the use of its reservation, if that has one, goes before */
	bool private_only; /* the use is not known of memory that is shared */
	size_t n;
	const struct frame *frames[]; /* innermost first; of a frame_table */
};

struct callsite *callsite__ref(struct callsite *site); /* accepts NULL */
void callsite__unref(struct callsite *site);	       /* accepts NULL; on any thread */
bool callsite__is_other(const struct callsite *site);

/* Fills in what follows from the frames of a new call site. */
typedef void callsite_classify_fn(struct callsite *site);

/* Thread-safe. */
struct callsite_table;
/* budget may be NULL, and must outlive it. NULL when out of memory. */
struct callsite_table *callsite_table__new(callsite_classify_fn *classify, struct budget *budget);
void callsite_table__free(struct callsite_table *table); /* accepts NULL; call sites live on */

/* The call site of a stack, with a reference for the caller; NULL when out of memory. account:
 * whose it is, if it is new; that is the tenant's whose first stack it has. */
struct callsite *callsite_table__intern(struct callsite_table *table, uint64_t account,
					const struct unwound *stack);

/* Whether there is little room left once what is unused is gone. Then *ret_account has the most of
 * what the tenant with most of the table has: a user or a container gains nothing by running many
 * programs. *ret_much says whether that tenant has far more than `tenant`; if it is the same,
 * whether that account has far more than `account`. */
bool callsite_table__is_short(struct callsite_table *table, uint64_t account, uint64_t tenant,
			      uint64_t *ret_account, bool *ret_much);

struct callsite_stats {
	uint64_t sites;
	uint64_t bytes;
	uint64_t turned_away; /* stacks that became "other" */
};
void callsite_table__stats(struct callsite_table *table, struct callsite_stats *ret);

/*
 * A stack as it was taken: waiting to be unwound at first, a call site from then on. Ranges and
 * names hold on to it from the moment of the event.
 */
struct trace {
	unsigned refs;
	struct callsite *site; /* set once, atomically; NULL: not yet, or it cannot be known */
	bool answered;	       /* it will not be set any more; atomic, written last */
};

struct trace *trace__new(void);					 /* NULL when out of memory */
struct trace *trace__ref(struct trace *trace);			 /* accepts NULL */
void trace__unref(struct trace *trace);				 /* accepts NULL; on any thread */
void trace__resolve(struct trace *trace, struct callsite *site); /* takes a reference of its own */
/* site NULL: it cannot be known. */
bool trace__is_sole(const struct trace *trace);		 /* the caller has the only reference */
bool trace__is_answered(const struct trace *trace);	 /* accepts NULL */
struct callsite *trace__site(const struct trace *trace); /* borrowed; accepts NULL */

#endif
