/* SPDX-License-Identifier: BSD-2-Clause */
/* What a series has at one moment, and what is different at the next. Pure. */
#ifndef MEMPROV_HISTORY_TALLY_H
#define MEMPROV_HISTORY_TALLY_H

#include <stdbool.h>
#include <stddef.h>

#include "history/schema.h"

struct share {
	enum share_of of;
	int64_t what;
	int64_t rss; /* DB_NULL: not known any more */
};

struct tally {
	int64_t amounts[AMOUNTS]; /* DB_NULL: not known */
	struct share *shares;	  /* by of and what, each pair once */
	size_t n, room;
};

void tally__free(struct tally *tally); /* leaves it empty */

/* In any order, and pairs more than once; tally__settle() sorts and sums them. 0 or -ENOMEM. */
int tally__add(struct tally *tally, enum share_of of, int64_t what, int64_t rss);
void tally__settle(struct tally *tally);

/* Adds another one's amounts and shares: a sum is not known if one of its parts is not. */
int tally__add_all(struct tally *tally, const struct tally *part);

/* Leaves the `most` largest of sites and of names each, and says in TOTAL_LEFT_OUT which had more.
 * Settled before and after. 0 or -ENOMEM. */
int tally__cut(struct tally *tally, size_t most);

int64_t tally__share(const struct tally *tally, enum share_of of, int64_t what); /* or 0 */

/*
 * Hands on the shares of `now` that are not what `before` has: those that are new, those that
 * changed by `least` bytes or more (of categories and totals, at all; the others become in `now`
 * what they were), and those that are gone with 0, or with DB_NULL where `now` leaves some out.
 * Stops at a non-zero result of fn.
 */
typedef int share_fn(void *ctx, const struct share *share);
int tally__each_change(const struct tally *before, struct tally *now, int64_t least, share_fn *fn,
		       void *ctx);

#endif
