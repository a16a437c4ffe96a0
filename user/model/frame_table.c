// SPDX-License-Identifier: BSD-2-Clause
#include "model/frame_table.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/fnv.h"
#include "util/refs.h"

#define BUCKETS 16384 /* a power of two */

struct entry {
	unsigned refs;
	struct entry *next; /* of the bucket */
	uint64_t hash;
	size_t bytes; /* that it takes */
	struct frame frame;
	char strings[];
};

struct frame_table {
	struct entry *buckets[BUCKETS];
	size_t bytes;
};

struct frame_table *frame_table__new(void)
{
	return calloc(1, sizeof(struct frame_table));
}

void frame_table__free(struct frame_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *entry, *next;

		for (entry = table->buckets[i]; entry; entry = next) {
			next = entry->next;
			frame_table__release(&entry->frame);
		}
	}
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

/* As util/fnv.h, in words of 64 bits: equality is compared in full anyway. */
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

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same(const struct frame *a, const struct frame *b)
{
	return a->language == b->language && a->offset == b->offset && a->line == b->line &&
	       a->inlined == b->inlined && same_text(a->function, b->function) &&
	       same_text(a->file, b->file) && same_text(a->module, b->module) &&
	       same_text(a->build_id, b->build_id);
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
	uint64_t hash = hash_of(frame);
	struct entry **bucket = &table->buckets[hash % BUCKETS], *entry = *bucket;

	while (entry && (entry->hash != hash || !same(&entry->frame, frame)))
		entry = entry->next;
	if (!entry) {
		entry = make(frame, hash);
		if (!entry)
			return NULL;
		entry->next = *bucket;
		*bucket = entry;
		table->bytes += entry->bytes;
	}
	refs__get(&entry->refs);
	return &entry->frame;
}

void frame_table__drop_unused(struct frame_table *table)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry **at = &table->buckets[i];

		while (*at) {
			struct entry *entry = *at;

			if (!refs__sole(&entry->refs)) {
				at = &entry->next;
				continue;
			}
			*at = entry->next;
			table->bytes -= entry->bytes;
			frame_table__release(&entry->frame);
		}
	}
}

size_t frame_table__bytes(const struct frame_table *table)
{
	return table->bytes;
}
