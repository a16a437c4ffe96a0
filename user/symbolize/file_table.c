// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/file_table.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

#define DEATHS_MAX  2 /* one may be chance: memory that ran out just there */
#define FORGIVEN_NS (60 * NSEC_PER_SEC)
#define BLAMED_MAX  256 /* files that are remembered; the oldest goes first */

struct entry {
	struct file_identity identity;
	struct build_id build_id;
	uint32_t refs;	 /* 0: the number is free */
	bool has_python; /* whether it has any is known */
	struct mp_python_file python;
};

struct blamed {
	struct file_identity identity;
	unsigned deaths;
	uint64_t death_ns; /* the last one */
};

struct file_table {
	struct entry entries[WIRE_FILES_MAX];
	struct blamed blamed[BLAMED_MAX];
	size_t next_blamed;
};

struct file_identity file_identity__of(const struct stat *st)
{
	return (struct file_identity){
		.dev = st->st_dev,
		.inode = st->st_ino,
		.size = st->st_size,
		.mtime_ns = st->st_mtim.tv_sec * NSEC_PER_SEC + st->st_mtim.tv_nsec,
		.ctime_ns = st->st_ctim.tv_sec * NSEC_PER_SEC + st->st_ctim.tv_nsec,
	};
}

struct file_table *file_table__new(void)
{
	return calloc(1, sizeof(struct file_table));
}

void file_table__free(struct file_table *table)
{
	free(table);
}

static bool same(const struct file_identity *a, const struct file_identity *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static struct blamed *find_blamed(struct file_table *table, const struct file_identity *identity)
{
	for (size_t i = 0; i < BLAMED_MAX; i++) {
		if (table->blamed[i].deaths && same(&table->blamed[i].identity, identity))
			return &table->blamed[i];
	}
	return NULL;
}

uint32_t file_table__take(struct file_table *table, const struct file_identity *identity,
			  bool *ret_new)
{
	const struct blamed *blamed = find_blamed(table, identity);
	uint32_t free_number = 0;

	if (blamed && blamed->deaths >= DEATHS_MAX &&
	    clock__boot_ns() - blamed->death_ns < FORGIVEN_NS)
		return 0;
	for (uint32_t i = 0; i < WIRE_FILES_MAX; i++) {
		struct entry *entry = &table->entries[i];

		if (entry->refs && same(&entry->identity, identity)) {
			entry->refs++;
			*ret_new = false;
			return i + 1;
		}
		if (!entry->refs && !free_number)
			free_number = i + 1;
	}
	if (!free_number)
		return 0;
	table->entries[free_number - 1] = (struct entry){.identity = *identity, .refs = 1};
	*ret_new = true;
	return free_number;
}

void file_table__take_again(struct file_table *table, uint32_t number)
{
	table->entries[number - 1].refs++;
}

bool file_table__release(struct file_table *table, uint32_t number)
{
	return !--table->entries[number - 1].refs;
}

bool file_table__is_full(const struct file_table *table)
{
	for (size_t i = 0; i < WIRE_FILES_MAX; i++) {
		if (!table->entries[i].refs)
			return false;
	}
	return true;
}

void file_table__set_build_id(struct file_table *table, uint32_t number, const struct build_id *id)
{
	table->entries[number - 1].build_id = *id;
}

const struct build_id *file_table__build_id(const struct file_table *table, uint32_t number)
{
	return &table->entries[number - 1].build_id;
}

void file_table__set_python(struct file_table *table, uint32_t number,
			    const struct mp_python_file *python)
{
	table->entries[number - 1].python = *python;
	table->entries[number - 1].has_python = true;
}

const struct mp_python_file *file_table__python(const struct file_table *table, uint32_t number)
{
	const struct entry *entry = &table->entries[number - 1];

	return entry->has_python ? &entry->python : NULL;
}

void file_table__blame(struct file_table *table, uint32_t number)
{
	const struct file_identity *identity;
	struct blamed *blamed;

	/* What the child has written there need not be a number. */
	if (!number || number > WIRE_FILES_MAX || !table->entries[number - 1].refs)
		return;
	identity = &table->entries[number - 1].identity;
	blamed = find_blamed(table, identity);
	if (!blamed) {
		blamed = &table->blamed[table->next_blamed++ % BLAMED_MAX];
		*blamed = (struct blamed){.identity = *identity};
	}
	blamed->deaths++;
	blamed->death_ns = clock__boot_ns();
}
