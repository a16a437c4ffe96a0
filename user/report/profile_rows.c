// SPDX-License-Identifier: BSD-2-Clause
#include "report/profile_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/arena.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define NO_NAME "[anonymous]"
#define OTHERS	"(other)"
#define TOUCHED "[first touch]" /* of several regions, which are told in shares */

/* Strings are kept once, so that equal ones have equal addresses. */
struct string {
	UT_hash_handle hh;
	char text[];
};

/* Compared as bytes: zeroed before it is filled. */
struct key {
	const struct callsite *site;
	const char *region;
	const char *thread;
	pid_t pid;
	enum coverage coverage;
	bool is_touch;
};

struct entry {
	UT_hash_handle hh;
	struct key key;
	struct profile_row row;
};

struct profile_rows {
	struct arena *arena;
	struct string *strings;
	struct entry *entries;
};

struct profile_rows *profile_rows__new(struct arena *arena)
{
	struct profile_rows *rows = calloc(1, sizeof(*rows));

	if (rows)
		rows->arena = arena;
	return rows;
}

void profile_rows__free(struct profile_rows *rows)
{
	if (!rows)
		return;
	HASH_CLEAR(hh, rows->strings);
	HASH_CLEAR(hh, rows->entries);
	free(rows);
}

static const char *intern(struct profile_rows *rows, const char *text)
{
	size_t len = strlen(text);
	struct string *string;

	HASH_FIND(hh, rows->strings, text, len, string);
	if (string)
		return string->text;
	string = arena__alloc(rows->arena, sizeof(*string) + len + 1);
	if (!string)
		return NULL;
	memcpy(string->text, text, len);
	HASH_ADD_KEYPTR(hh, rows->strings, string->text, len, string);
	return HASH_HAS(string) ? string->text : NULL;
}

static const char *region_of(const struct part *part)
{
	return part->given_name ?: part->name ?: NO_NAME;
}

static struct entry *entry_of(struct profile_rows *rows, const struct key *key)
{
	struct entry *entry;

	HASH_FIND(hh, rows->entries, key, sizeof(*key), entry);
	if (entry)
		return entry;
	entry = arena__alloc(rows->arena, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(&entry->key, key, sizeof(*key));
	entry->row.site = key->site;
	entry->row.coverage = key->coverage;
	entry->row.region = key->region;
	entry->row.thread = key->thread;
	entry->row.process.pid = key->pid;
	entry->row.is_touch = key->is_touch;
	HASH_ADD(hh, rows->entries, key, sizeof(*key), entry);
	return HASH_HAS(entry) ? entry : NULL;
}

static bool keep_process(struct profile_rows *rows, const struct profile_process *process,
			 struct profile_row *row)
{
	row->process = *process;
	row->process.comm = intern(rows, process->comm ?: "");
	return row->process.comm;
}

static int add_part(struct profile_rows *rows, const struct profile_process *process, bool full,
		    const struct part *part)
{
	struct entry *entry;
	struct key key;

	memset(&key, 0, sizeof(key));
	key.site = part->callsite;
	key.region = intern(rows, full ? OTHERS : region_of(part));
	key.thread = intern(rows, full ? "" : part->thread);
	key.pid = process->pid;
	if (!key.site)
		key.coverage = part->coverage;
	entry = key.region && key.thread ? entry_of(rows, &key) : NULL;
	if (!entry || !keep_process(rows, process, &entry->row))
		return -ENOMEM;
	entry->row.regions++;
	entry->row.rss += part->rss;
	entry->row.mapped += part->end - part->start;
	return 0;
}

int profile_rows__add(struct profile_rows *rows, const struct profile_process *process,
		      const struct part *parts, size_t n_parts)
{
	size_t before = HASH_COUNT(rows->entries);
	int err = 0;

	for (size_t i = 0; !err && i < n_parts; i++) {
		bool full = HASH_COUNT(rows->entries) - before >= PROFILE_ROWS_MAX;

		err = add_part(rows, process, full, &parts[i]);
	}
	return err;
}

int profile_rows__add_touched(struct profile_rows *rows, const struct profile_process *process,
			      const struct callsite *site, uint64_t bytes)
{
	struct entry *entry;
	struct key key;

	memset(&key, 0, sizeof(key));
	key.site = site;
	key.region = intern(rows, TOUCHED);
	key.thread = intern(rows, "");
	key.pid = process->pid;
	key.is_touch = true;
	entry = key.region && key.thread ? entry_of(rows, &key) : NULL;
	if (!entry || !keep_process(rows, process, &entry->row))
		return -ENOMEM;
	entry->row.touched += bytes;
	return 0;
}

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

static uint64_t hash_of(const struct profile_row *row)
{
	return row->site ? row->site->hash : 0;
}

/* Of interned texts. */
static int compare_texts(const char *x, const char *y)
{
	return x == y ? 0 : strcmp(x, y);
}

static int larger_row(const void *a, const void *b)
{
	const struct profile_row *x = a, *y = b;
	int order = compare(y->rss, x->rss);

	order = order ?: compare(y->mapped, x->mapped);
	order = order ?: compare(y->touched, x->touched);
	order = order ?: compare(x->process.pid, y->process.pid);
	order = order ?: compare_texts(x->region, y->region);
	order = order ?: compare_texts(x->thread, y->thread);
	order = order ?: compare(x->coverage, y->coverage);
	return order ?: compare(hash_of(x), hash_of(y));
}

int profile_rows__rows(const struct profile_rows *rows, struct profile_row **ret, size_t *ret_n)
{
	size_t n = HASH_COUNT(rows->entries);
	struct profile_row *list = arena__alloc(rows->arena, (n + 1) * sizeof(*list));
	struct entry *entry, *next;

	if (!list)
		return -ENOMEM;
	*ret = list;
	*ret_n = n;
	HASH_ITER (hh, rows->entries, entry, next)
		*list++ = entry->row;
	qsort(*ret, n, sizeof(**ret), larger_row);
	return 0;
}
