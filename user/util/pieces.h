/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an address is in a copied stack, which is one piece or two (event.h). Offsets count from
 * where the first piece begins, and those of the second from PIECES_OTHER on: so they do not depend
 * on how much could be copied, and everything in the second piece lies further out.
 */
#ifndef MEMPROV_PIECES_H
#define MEMPROV_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>

#include "event.h"

#define PIECES_OTHER (MP_STACK_MAX + 8)
#define PIECES_MAX   (PIECES_OTHER + MP_OTHER_MAX) /* an offset is no more */

struct pieces {
	uint64_t at[2];
	size_t len[2];
	const uint8_t *bytes;
};

/* `bytes` of struct mp_stack_copy and what follows it. False when they are not as event.h says. */
static inline bool pieces__are_whole(const struct mp_stack_copy *copy, size_t bytes)
{
	size_t len;

	if (bytes % 8 || bytes < sizeof(*copy))
		return false;
	len = bytes - sizeof(*copy);
	return copy->other.len % 8 == 0 && copy->other.len <= MP_OTHER_MAX &&
	       copy->other.len <= len && len - copy->other.len <= MP_STACK_MAX &&
	       (copy->below == 0 || copy->below == MP_STACK_BELOW);
}

/* Of one that is whole; sp is what its register has. */
static inline struct pieces pieces__of(const struct mp_stack_copy *copy, size_t bytes, uint64_t sp)
{
	return (struct pieces){{sp - copy->below, copy->other.at},
			       {bytes - sizeof(*copy) - copy->other.len, copy->other.len},
			       copy->bytes};
}

/* Also of where a piece ends, if no other begins there. */
static inline bool pieces__offset(const struct pieces *pieces, uint64_t address, uint32_t *ret)
{
	for (int i = 0; i < 2; i++) {
		if (address - pieces->at[i] < pieces->len[i]) {
			*ret = address - pieces->at[i] + i * PIECES_OTHER;
			return true;
		}
	}
	for (int i = 0; i < 2; i++) {
		if (pieces->len[i] && address - pieces->at[i] == pieces->len[i]) {
			*ret = pieces->len[i] + i * PIECES_OTHER;
			return true;
		}
	}
	return false;
}

/* The word at an offset; false when it does not lie in a piece. */
static inline bool pieces__word(const struct pieces *pieces, uint32_t offset, uint64_t *ret)
{
	int i = offset >= PIECES_OTHER;
	size_t within = offset - i * PIECES_OTHER;

	if (pieces->len[i] < sizeof(*ret) || within > pieces->len[i] - sizeof(*ret))
		return false;
	memcpy(ret, pieces->bytes + i * pieces->len[0] + within, sizeof(*ret));
	return true;
}

#endif
