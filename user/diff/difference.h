/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What changed between two saved reports, A and B: pure.
 *
 * A call site of A is the same as one of B
 *   1. by location: every frame lies at the same offset of the same file (by build id, else by path
 *      and function). Addresses and ids differ from run to run and say nothing.
 *   2. by functions, for those that are left: a frame in a file that both reports know (its build
 *      id occurs in both) must still be at the same offset; a frame in one that was rebuilt must
 * have the same function, without the suffixes that compilers add. What has no name there has no
 * match. Several call sites may match one another by functions, when a function maps in two places;
 * they are one row then.
 */
#ifndef MEMPROV_DIFFERENCE_H
#define MEMPROV_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diff/saved.h"

enum change {
	CHANGE_NEW,
	CHANGE_GONE,
	CHANGE_GROWN,
	CHANGE_SHRUNK,
	CHANGE_SAME,
	CHANGE_UNLISTED_A, /* only in B, but A does not list all that it had */
	CHANGE_UNLISTED_B,
};

struct diff_row {
	const char *name;	       /* NULL: a call site */
	const struct saved_site *site; /* of B, or of A when it is gone */
	bool by_functions;	       /* that is how it was matched */
	bool in_a, in_b;
	unsigned n_a, n_b; /* so many rows of the reports */
	uint64_t a, b;	   /* RSS; 0 where it is not */
	enum change change;
};

struct diff_list {
	struct diff_row *rows; /* the largest growth first */
	size_t n;
	uint64_t total_a, total_b;
	uint64_t rest_a, rest_b; /* of these, what is in no row */
	bool complete_a, complete_b;
};

struct difference {
	const struct saved *a, *b;
	struct diff_list sites, touched, names, categories, processes;
	struct arena *arena;
};

/* 0 or -ENOMEM. The reports must outlive it. */
int difference__new(const struct saved *a, const struct saved *b, struct difference **ret);
void difference__free(struct difference *difference); /* accepts NULL */

static inline void difference__cleanup(struct difference **difference)
{
	difference__free(*difference);
}

#define _cleanup_difference_ __attribute__((cleanup(difference__cleanup)))

int64_t diff_row__growth(const struct diff_row *row);
const char *change__name(enum change change);

/*
 * The rows to show: the `top` largest changes, whichever way they go, or with all every row, in the
 * order of the list. *ret_others sums up the rest; its n_b says of how many rows. ret has room for
 * list->n. How many there are.
 */
size_t diff_list__select(const struct diff_list *list, size_t top, bool all,
			 const struct diff_row **ret, struct diff_row *ret_others);

#endif
