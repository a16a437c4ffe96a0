// SPDX-License-Identifier: BSD-2-Clause
#include "util/dict.h"

#include <string.h>
#include <sys/auxv.h>

#include "util/array.h"

#define FIRST_SLOTS 16

/* The kernel gives each program 16 random bytes. The C library's own secrets are made of them, so
 * they are not kept as they are. */
static uint64_t make_secret(void)
{
	uint64_t random[2];

	memcpy(random, (const void *)getauxval(AT_RANDOM), sizeof(random));
	return dict__mix(dict__mix(0, random[0]), random[1]);
}

static void *entry_at(const struct dict *dict, size_t number)
{
	return (char *)dict->entries + number * dict->type->size;
}

/* Where the entry's number is, or would be put. One slot in four at least is free. */
static uint32_t *slot_of(const struct dict *dict, const void *entry)
{
	size_t mask = dict->n_slots - 1, at = dict->type->hash(entry, dict->secret) & mask;

	while (dict->slots[at] && !dict->type->same(entry_at(dict, dict->slots[at] - 1), entry))
		at = (at + 1) & mask;
	return &dict->slots[at];
}

void dict__free(struct dict *dict)
{
	free(dict->entries);
	free(dict->slots);
	*dict = (struct dict){.type = dict->type};
}

void *dict__find(const struct dict *dict, const void *like)
{
	uint32_t number = dict->n ? *slot_of(dict, like) : 0;

	return number ? entry_at(dict, number - 1) : NULL;
}

/* Into slots that are there. */
static void fill_slots(struct dict *dict)
{
	memset(dict->slots, 0, dict->n_slots * sizeof(*dict->slots));
	for (size_t i = 0; i < dict->n; i++)
		*slot_of(dict, entry_at(dict, i)) = i + 1;
}

static int grow_slots(struct dict *dict)
{
	struct dict larger = *dict;

	if (dict->n + 1 <= dict->n_slots / 4 * 3)
		return 0;
	if (!dict->n_slots)
		larger.secret = make_secret();
	larger.n_slots = dict->n_slots ? dict->n_slots * 2 : FIRST_SLOTS;
	larger.slots = reallocarray(NULL, larger.n_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	fill_slots(&larger);
	free(dict->slots);
	*dict = larger;
	return 0;
}

void *dict__add(struct dict *dict, const void *entry)
{
	uint32_t *slot;

	if (grow_slots(dict) || array__grow(&dict->entries, &dict->room, dict->n, dict->type->size))
		return NULL;
	slot = slot_of(dict, entry);
	*slot = ++dict->n;
	return memcpy(entry_at(dict, *slot - 1), entry, dict->type->size);
}

void dict__keep(struct dict *dict, bool (*keeps)(void *entry, void *ctx), void *ctx)
{
	size_t n = dict->n;

	dict->n = 0;
	for (size_t i = 0; i < n; i++) {
		void *entry = entry_at(dict, i);

		if (!keeps(entry, ctx))
			continue;
		if (dict->n != i)
			memcpy(entry_at(dict, dict->n), entry, dict->type->size);
		dict->n++;
	}
	if (dict->n != n)
		fill_slots(dict);
}

uint64_t dict__mix_text(uint64_t hash, const char *text)
{
	size_t left = text ? strlen(text) : 0;

	hash = dict__mix(hash, text ? left + 1 : 0);
	while (left) {
		size_t len = left < sizeof(uint64_t) ? left : sizeof(uint64_t);
		uint64_t word = 0;

		memcpy(&word, text, len);
		hash = dict__mix(hash, word);
		text += len;
		left -= len;
	}
	return hash;
}
