// SPDX-License-Identifier: BSD-2-Clause
#include "model/callsite.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/refs.h"

#define BUCKETS 8192 /* a power of two */

struct entry {
	struct entry *next;
	struct callsite *site;
};

struct callsite_table {
	callsite_judge_fn *judge;
	pthread_mutex_t lock; /* guards what follows */
	struct entry *buckets[BUCKETS];
	struct callsite *other;
	struct callsite_stats stats;
};

struct callsite *callsite__ref(struct callsite *site)
{
	if (site)
		refs__get(&site->refs);
	return site;
}

void callsite__unref(struct callsite *site)
{
	if (site && refs__put(&site->refs))
		free(site);
}

bool callsite__is_other(const struct callsite *site)
{
	return site->source == STACK_SOURCE_NONE && !site->n;
}

/* FNV-1a (Fowler, Noll, Vo) in words of 64 bits: equality is compared in full anyway. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3ULL;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = mix(hash, (unsigned char)*text);
	return hash;
}

static uint64_t hash_of(const struct unwound *stack)
{
	uint64_t hash = mix(0xcbf29ce484222325ULL, stack->truncated);

	for (size_t i = 0; i < stack->n; i++) {
		hash = mix(hash, stack->frames[i].offset);
		hash = mix_text(hash, stack->frames[i].module);
		hash = mix_text(hash, stack->frames[i].function);
	}
	return hash ^ hash >> 29;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool frame__same(const struct frame *a, const struct frame *b)
{
	return a->offset == b->offset && a->line == b->line && a->inlined == b->inlined &&
	       same_text(a->function, b->function) && same_text(a->file, b->file) &&
	       same_text(a->module, b->module) && same_text(a->build_id, b->build_id);
}

static bool is_of(const struct callsite *site, uint64_t hash, const struct unwound *stack)
{
	if (site->hash != hash || site->n != stack->n || site->source != stack->source ||
	    site->truncated != stack->truncated)
		return false;
	for (size_t i = 0; i < stack->n; i++) {
		if (!frame__same(&site->frames[i], &stack->frames[i]))
			return false;
	}
	return true;
}

/* The strings of consecutive frames are often the same: then they are kept once. */
struct packer {
	char *at; /* NULL: only count */
	size_t used;
};

static const char *pack(struct packer *p, const char *text, const char *before,
			const char *before_packed)
{
	size_t len;
	char *copy = p->at ? p->at + p->used : NULL;

	if (!text)
		return NULL;
	if (before && strcmp(text, before) == 0)
		return before_packed;
	len = strlen(text) + 1;
	p->used += len;
	return copy ? memcpy(copy, text, len) : NULL;
}

static void pack_frames(struct packer *p, const struct unwound *stack, struct frame *to)
{
	static const struct frame none;
	struct frame packed = none;

	for (size_t i = 0; i < stack->n; i++) {
		const struct frame *from = &stack->frames[i];
		const struct frame *before = i ? &stack->frames[i - 1] : &none;
		struct frame last = packed;

		packed = *from;
		packed.function = pack(p, from->function, NULL, NULL);
		packed.file = pack(p, from->file, before->file, last.file);
		packed.module = pack(p, from->module, before->module, last.module);
		packed.build_id = pack(p, from->build_id, before->build_id, last.build_id);
		if (to)
			to[i] = packed;
	}
}

static struct callsite *make(const struct unwound *stack, uint64_t hash)
{
	struct packer p = {0};
	size_t frames = stack->n * sizeof(struct frame);
	struct callsite *site;

	pack_frames(&p, stack, NULL);
	site = malloc(sizeof(*site) + frames + p.used);
	if (!site)
		return NULL;
	*site = (struct callsite){
		.refs = 1,
		.hash = hash,
		.bytes = sizeof(*site) + frames + p.used,
		.source = stack->source,
		.truncated = stack->truncated,
		.owner = -1,
		.n = stack->n,
	};
	p = (struct packer){.at = (char *)site->frames + frames};
	pack_frames(&p, stack, site->frames);
	return site;
}

/* Lets go what only the table still holds. */
static void drop_unused(struct callsite_table *table)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry **at = &table->buckets[i];

		while (*at) {
			struct entry *entry = *at;

			if (!refs__sole(&entry->site->refs)) {
				at = &entry->next;
				continue;
			}
			*at = entry->next;
			table->stats.sites--;
			table->stats.bytes -= entry->site->bytes;
			callsite__unref(entry->site);
			free(entry);
		}
	}
}

struct callsite_table *callsite_table__new(callsite_judge_fn *judge)
{
	static const struct unwound nothing;
	struct callsite_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->judge = judge;
	pthread_mutex_init(&table->lock, NULL);
	table->other = make(&nothing, 0);
	if (!table->other) {
		callsite_table__free(table);
		return NULL;
	}
	return table;
}

void callsite_table__free(struct callsite_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *entry, *next;

		for (entry = table->buckets[i]; entry; entry = next) {
			next = entry->next;
			callsite__unref(entry->site);
			free(entry);
		}
	}
	callsite__unref(table->other);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

static struct callsite *add(struct callsite_table *table, const struct unwound *stack,
			    uint64_t hash)
{
	struct callsite *site = make(stack, hash);
	struct entry *entry;

	if (!site)
		return NULL;
	table->judge(site);
	if (table->stats.bytes + site->bytes > CALLSITES_MAX_BYTES)
		drop_unused(table);
	if (table->stats.bytes + site->bytes > CALLSITES_MAX_BYTES) {
		callsite__unref(site);
		table->stats.turned_away++;
		return callsite__ref(table->other);
	}
	entry = malloc(sizeof(*entry));
	if (!entry) {
		callsite__unref(site);
		return NULL;
	}
	*entry = (struct entry){table->buckets[hash % BUCKETS], site};
	table->buckets[hash % BUCKETS] = entry;
	table->stats.sites++;
	table->stats.bytes += site->bytes;
	return callsite__ref(site);
}

struct callsite *callsite_table__intern(struct callsite_table *table, const struct unwound *stack)
{
	uint64_t hash = hash_of(stack);
	struct callsite *site = NULL;
	struct entry *entry;

	pthread_mutex_lock(&table->lock);
	for (entry = table->buckets[hash % BUCKETS]; entry && !site; entry = entry->next) {
		if (is_of(entry->site, hash, stack))
			site = callsite__ref(entry->site);
	}
	if (!site)
		site = add(table, stack, hash);
	pthread_mutex_unlock(&table->lock);
	return site;
}

void callsite_table__stats(struct callsite_table *table, struct callsite_stats *ret)
{
	pthread_mutex_lock(&table->lock);
	*ret = table->stats;
	pthread_mutex_unlock(&table->lock);
}

struct trace *trace__new(void)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (trace)
		trace->refs = 1;
	return trace;
}

struct trace *trace__ref(struct trace *trace)
{
	if (trace)
		refs__get(&trace->refs);
	return trace;
}

void trace__unref(struct trace *trace)
{
	if (!trace || !refs__put(&trace->refs))
		return;
	callsite__unref(trace->site);
	free(trace);
}

void trace__resolve(struct trace *trace, struct callsite *site)
{
	if (site)
		__atomic_store_n(&trace->site, callsite__ref(site), __ATOMIC_RELEASE);
	__atomic_store_n(&trace->answered, true, __ATOMIC_RELEASE);
}

bool trace__is_answered(const struct trace *trace)
{
	return !trace || __atomic_load_n(&trace->answered, __ATOMIC_ACQUIRE);
}

struct callsite *trace__site(const struct trace *trace)
{
	return trace ? __atomic_load_n(&trace->site, __ATOMIC_ACQUIRE) : NULL;
}
