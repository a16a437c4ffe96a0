/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in which a report shows parts: those that hold most (page_kinds__held()) first, of
 * equal ones the lower address. */
#ifndef MEMPROV_LARGEST_H
#define MEMPROV_LARGEST_H

#include <stddef.h>

#include "reconcile/attribution.h"

/* The places of the `wanted` largest of n parts, in order: *ret_n of them, all if there are no
 * more; the caller frees ret. 0 or -ENOMEM. */
int parts__largest(const struct part *parts, size_t n, size_t wanted, size_t **ret, size_t *ret_n);

/* Moves these to the front, in order; the others follow in any order. */
int parts__move_largest(struct part *parts, size_t n, size_t wanted);

#endif
