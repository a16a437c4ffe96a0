/* SPDX-License-Identifier: BSD-2-Clause */
/* Reference counts of things that several threads hold. */
#ifndef MEMPROV_REFS_H
#define MEMPROV_REFS_H

#include <stdbool.h>

static inline void refs__get(unsigned *refs)
{
	__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}

/* True when that was the last one: the caller frees. */
static inline bool refs__put(unsigned *refs)
{
	return __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL) == 1;
}

/* True when the caller's reference is the only one. */
static inline bool refs__sole(const unsigned *refs)
{
	return __atomic_load_n(refs, __ATOMIC_ACQUIRE) == 1;
}

#endif
