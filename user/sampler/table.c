// SPDX-License-Identifier: BSD-2-Clause
#include "sampler/table.h"

#include <pthread.h>

#include "util/cleanup.h"
#include "util/hash.h"

struct entry {
	UT_hash_handle hh; /* by pid: one process at a time has a number */
	pid_t pid;
	uint64_t start_ticks;
	uint64_t exec_space; /* 0: not known. Another one: another program, which begins anew */
	uint64_t first_rss;
	uint64_t first_ns;
	uint64_t census; /* the last in which it was there */
	struct sample *sample;
};

struct table {
	pthread_mutex_t lock;
	struct entry *entries;
	uint64_t census;
};

struct table *table__new(void)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table)
		pthread_mutex_init(&table->lock, NULL);
	return table;
}

static void drop(struct table *table, struct entry *entry)
{
	HASH_DEL(table->entries, entry);
	sample__unref(entry->sample);
	free(entry);
}

void table__free(struct table *table)
{
	struct entry *entry, *next;

	if (!table)
		return;
	HASH_ITER (hh, table->entries, entry, next)
		drop(table, entry);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

static struct entry *find(const struct table *table, pid_t pid, uint64_t start_ticks)
{
	struct entry *entry;

	HASH_FIND_INT(table->entries, &pid, entry);
	return entry && entry->start_ticks == start_ticks ? entry : NULL;
}

/* The entry of a process and its program, made if there is none; then this is the first sight. */
static struct entry *enter(struct table *table, pid_t pid, uint64_t start_ticks,
			   uint64_t exec_space, uint64_t rss, uint64_t now_ns)
{
	struct entry *entry;

	HASH_FIND_INT(table->entries, &pid, entry);
	if (entry && entry->start_ticks != start_ticks) {
		drop(table, entry);
		entry = NULL;
	}
	if (entry && (!exec_space || entry->exec_space == exec_space))
		return entry;
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return NULL;
		entry->pid = pid;
		entry->start_ticks = start_ticks;
		HASH_ADD_INT(table->entries, pid, entry);
		if (!HASH_HAS(entry)) {
			free(entry);
			return NULL;
		}
	}
	entry->exec_space = exec_space;
	entry->first_rss = rss;
	entry->first_ns = now_ns;
	entry->census = table->census;
	return entry;
}

struct sample *table__get(struct table *table, pid_t pid, uint64_t start_ticks)
{
	struct sample *sample = NULL;
	struct entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = find(table, pid, start_ticks);
	if (entry)
		sample = sample__ref(entry->sample);
	pthread_mutex_unlock(&table->lock);
	return sample;
}

void table__put(struct table *table, struct sample *sample)
{
	struct entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = enter(table, sample->pid, sample->start_ticks, sample->exec_space, sample->rss,
		      sample->taken_ns);
	if (entry && (!entry->sample || entry->sample->taken_ns < sample->taken_ns)) {
		sample__unref(entry->sample);
		entry->sample = take_ptr(sample);
	}
	pthread_mutex_unlock(&table->lock);
	sample__unref(sample);
}

bool table__first(struct table *table, pid_t pid, uint64_t start_ticks, uint64_t exec_space,
		  struct sighting *now)
{
	struct entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = enter(table, pid, start_ticks, exec_space, now->rss, now->ns);
	if (entry)
		*now = (struct sighting){entry->first_rss, entry->first_ns};
	pthread_mutex_unlock(&table->lock);
	return entry;
}

void table__forget(struct table *table, pid_t pid, uint64_t start_ticks)
{
	struct entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = find(table, pid, start_ticks);
	if (entry)
		drop(table, entry);
	pthread_mutex_unlock(&table->lock);
}

void table__begin_census(struct table *table)
{
	pthread_mutex_lock(&table->lock);
	table->census++;
	pthread_mutex_unlock(&table->lock);
}

void table__mark(struct table *table, pid_t pid, uint64_t start_ticks)
{
	struct entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = find(table, pid, start_ticks);
	if (entry)
		entry->census = table->census;
	pthread_mutex_unlock(&table->lock);
}

void table__end_census(struct table *table)
{
	struct entry *entry, *next;

	pthread_mutex_lock(&table->lock);
	HASH_ITER (hh, table->entries, entry, next) {
		if (entry->census != table->census)
			drop(table, entry);
	}
	pthread_mutex_unlock(&table->lock);
}
