/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of one size, each found by its key, which the functions of its type define. The
 * layout is that of Python's dict (since 3.6):
 *
 *     slots     | . | 2 | . | . | 1 | 3 | . | . |     numbers of entries, found by the key's hash
 *     entries   | a | b | c |                         in the order in which they came
 *
 * An entry takes its own bytes and some six more, in two pieces of memory for all of them: what
 * counts where there are thousands of small ones. What is taken out is looked for among all.
 *
 * Hashes begin with a secret number that differs from run to run, so a process that chooses keys
 * cannot make them collide. The order of the entries does not depend on it.
 */
#ifndef MEMPROV_DICT_H
#define MEMPROV_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dict_type {
	size_t size; /* of an entry */
	uint64_t (*hash)(const void *entry,
			 uint64_t secret); /* dict__mix of all that same() asks */
	bool (*same)(const void *a, const void *b);
};

/* Empty when nothing but the type is set. */
struct dict {
	const struct dict_type *type;
	void *entries;
	size_t n;
	size_t room;
	uint32_t *slots; /* 0: free; else an entry's number + 1 */
	size_t n_slots;	 /* a power of two; 0: none yet */
	uint64_t secret;
};

void dict__free(struct dict *dict); /* leaves it empty; what entries own is the caller's */

/* The entry with the same key as this one; NULL: there is none. Valid until the next dict__add. */
void *dict__find(const struct dict *dict, const void *like);

/* Adds a copy of an entry whose key is not there yet, and returns the copy, valid likewise; NULL
 * when out of memory: then all is as it was. Callers ensure that there are less than 2^31. */
void *dict__add(struct dict *dict, const void *entry);

/* Takes out all entries that `keeps` does not want, which lets go of what they own. Needs no
 * memory, and gives none back. */
void dict__keep(struct dict *dict, bool (*keeps)(void *entry, void *ctx), void *ctx);

/* A hash with a text in it, NULL and "" being two. */
uint64_t dict__mix_text(uint64_t hash, const char *text);

/* A hash with one more word in it. The product's upper half depends on all bits of both factors,
 * and the lower half has what the upper one lost (as in wyhash and foldhash). */
static inline uint64_t dict__mix(uint64_t hash, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15ULL;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
