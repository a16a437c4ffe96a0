// SPDX-License-Identifier: BSD-2-Clause
#include "model/frame_table.h"

#include <stdlib.h>
#include <string.h>

#include "util/dict.h"
#include "util/fnv.h"
#include "util/refs.h"

struct entry {
	unsigned refs;
	uint64_t hash;
	size_t bytes; /* that it takes */
	struct frame frame;
	char strings[];
};

struct frame_table {
	struct dict entries; /* of struct entry * */
	size_t bytes;
};

static uint64_t hash_in_dict(const void *entry, uint64_t secret)
{
	const struct frame *frame = &(*(struct entry *const *)entry)->frame;
	uint64_t hash = dict__mix(secret, frame->offset);

	hash = dict__mix(hash, frame->line);
	hash = dict__mix_text(hash, frame->module);
	return dict__mix_text(hash, frame->function);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same(const void *x, const void *y)
{
	const struct frame *a = &(*(struct entry *const *)x)->frame;
	const struct frame *b = &(*(struct entry *const *)y)->frame;

	return a->language == b->language && a->offset == b->offset && a->line == b->line &&
	       a->inlined == b->inlined && same_text(a->function, b->function) &&
	       same_text(a->file, b->file) && same_text(a->module, b->module) &&
	       same_text(a->build_id, b->build_id);
}

static const struct dict_type by_content = {sizeof(struct entry *), hash_in_dict, same};

struct frame_table *frame_table__new(void)
{
	struct frame_table *table = calloc(1, sizeof(*table));

	if (table)
		table->entries.type = &by_content;
	return table;
}

void frame_table__free(struct frame_table *table)
{
	struct entry *const *entries = table ? table->entries.entries : NULL;

	if (!table)
		return;
	for (size_t i = 0; i < table->entries.n; i++)
		frame_table__release(&entries[i]->frame);
	dict__free(&table->entries);
	free(table);
}

static struct entry *entry_of(const struct frame *frame)
{
	return (struct entry *)((char *)frame - offsetof(struct entry, frame));
}

void frame_table__release(const struct frame *frame)
{
	struct entry *entry = entry_of(frame);

	if (refs__put(&entry->refs))
		free(entry);
}

uint64_t frame_table__hash(const struct frame *frame)
{
	return entry_of(frame)->hash;
}

/* As util/fnv.h, in words of 64 bits. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * FNV_PRIME;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = mix(hash, (unsigned char)*text);
	return hash;
}

static uint64_t hash_of(const struct frame *frame)
{
	uint64_t hash = mix(FNV_BEGIN, frame->offset);

	hash = mix(hash, frame->line);
	hash = mix_text(hash, frame->module);
	hash = mix_text(hash, frame->function);
	return hash ^ hash >> 29;
}

/* The text behind *at, which moves on behind it. */
static const char *put(char **at, const char *text)
{
	char *copy = *at;

	if (!text)
		return NULL;
	*at = stpcpy(copy, text) + 1;
	return copy;
}

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static struct entry *make(const struct frame *frame, uint64_t hash)
{
	size_t bytes = sizeof(struct entry) + size_of(frame->function) + size_of(frame->file) +
		       size_of(frame->module) + size_of(frame->build_id);
	struct entry *entry = malloc(bytes);
	char *at;

	if (!entry)
		return NULL;
	*entry = (struct entry){.refs = 1, .hash = hash, .bytes = bytes, .frame = *frame};
	at = entry->strings;
	entry->frame.function = put(&at, frame->function);
	entry->frame.file = put(&at, frame->file);
	entry->frame.module = put(&at, frame->module);
	entry->frame.build_id = put(&at, frame->build_id);
	entry->frame.ip = 0;
	return entry;
}

const struct frame *frame_table__intern(struct frame_table *table, const struct frame *frame)
{
	struct entry like = {.frame = *frame}, *entry = &like;
	struct entry *const *known = dict__find(&table->entries, &entry);

	if (known) {
		refs__get(&(*known)->refs);
		return &(*known)->frame;
	}
	entry = make(frame, hash_of(frame));
	if (!entry)
		return NULL;
	if (!dict__add(&table->entries, &entry)) {
		free(entry);
		return NULL;
	}
	table->bytes += entry->bytes;
	refs__get(&entry->refs);
	return &entry->frame;
}

static bool is_used(void *x, void *ctx)
{
	struct frame_table *table = ctx;
	struct entry *entry = *(struct entry **)x;

	if (!refs__sole(&entry->refs))
		return true;
	table->bytes -= entry->bytes;
	frame_table__release(&entry->frame);
	return false;
}

void frame_table__drop_unused(struct frame_table *table)
{
	dict__keep(&table->entries, is_used, table);
}

size_t frame_table__bytes(const struct frame_table *table)
{
	return table->bytes;
}
