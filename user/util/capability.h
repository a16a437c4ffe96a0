/* SPDX-License-Identifier: BSD-2-Clause */
/* The capabilities of this process, as bits 1 << CAP_… (capabilities(7)). */
#ifndef MEMPROV_CAPABILITY_H
#define MEMPROV_CAPABILITY_H

#include <stdint.h>

#define CAPABILITY_BIT(number) (1ULL << (number))

/* Those in effect; 0 also when the kernel does not tell. */
uint64_t capability__effective(void);

/*
 * Gives up all others, for good: out of the bounding set too where that may be done (CAP_SETPCAP).
 * A capability that is not held is no error. For the calling thread alone, so call it before there
 * are others. 0 or -errno.
 */
int capability__keep(uint64_t keep);

#endif
