/* SPDX-License-Identifier: BSD-2-Clause */
/* FNV-1a (Fowler, Noll, Vo), 64 bits: for what no attacker gains anything by making equal. */
#ifndef MEMPROV_FNV_H
#define MEMPROV_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_BEGIN 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static inline uint64_t fnv__bytes(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint64_t hash = FNV_BEGIN;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

#endif
