/* SPDX-License-Identifier: BSD-2-Clause */
/* splitmix64 (Steele et al. 2014): one number is all the state, so a seed is all there is to say.
 */
#ifndef MEMPROV_PROPERTY_RNG_H
#define MEMPROV_PROPERTY_RNG_H

#include <stdint.h>

static inline uint64_t rng__next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static inline unsigned rng__below(uint64_t *state, unsigned n)
{
	return rng__next(state) % n;
}

/* A number that depends on all of these, and on nothing else. */
static inline uint64_t rng__mix(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t state = a;

	state ^= rng__next(&state) + b;
	state ^= rng__next(&state) + c;
	return rng__next(&state);
}

#endif
