// SPDX-License-Identifier: BSD-2-Clause
#include "report/profile_tables.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/buf.h"
#include "util/hash.h"
#include "util/text.h"
#include "util/utf8.h"

struct id_entry {
	UT_hash_handle hh;
	size_t place; /* from 0 */
	void *row;    /* NULL: the entry is new */
	char key[];   /* and a 0 */
};

void profile_tables__init(struct profile_tables *tables, struct arena *arena)
{
	/* The address of the heap: a program that names things cannot know which ones collide. */
	*tables = (struct profile_tables){.arena = arena, .salt = (uintptr_t)arena >> 4};
	profile_tables__string(tables, "");
}

void profile_tables__free(struct profile_tables *tables)
{
	HASH_CLEAR(hh, tables->strings.entries);
	HASH_CLEAR(hh, tables->mappings.entries);
	HASH_CLEAR(hh, tables->functions.entries);
	HASH_CLEAR(hh, tables->locations.entries);
	HASH_CLEAR(hh, tables->labels.entries);
}

static void *alloc(struct profile_tables *tables, size_t size)
{
	void *piece = arena__alloc(tables->arena, size);

	if (!piece)
		tables->failed = true;
	return piece;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* In words of 64 bits: a profile is little else than hashing, and uthash's own goes by bytes. */
static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const char *at = bytes;
	uint64_t word;

	hash = mix(hash, len);
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, len);
	return mix(hash, word);
}

/* The entry of a key, made when there is none; NULL: out of memory. */
static struct id_entry *find(struct profile_tables *tables, struct id_table *table, const void *key,
			     size_t len)
{
	unsigned hash = mix_bytes(tables->salt, key, len);
	struct id_entry *entry;

	HASH_FIND_BYHASHVALUE(hh, table->entries, key, len, hash, entry);
	if (entry)
		return entry;
	entry = alloc(tables, sizeof(*entry) + len + 1);
	if (!entry)
		return NULL;
	memcpy(entry->key, key, len);
	entry->place = HASH_COUNT(table->entries);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->entries, entry->key, len, hash, entry);
	if (HASH_HAS(entry))
		return entry;
	tables->failed = true;
	return NULL;
}

/* --- strings ------------------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s >= 0x20 && *s < 0x7f)
		s++;
	return !*s;
}

static void add_clean(struct buf *out, const char *text)
{
	const char *end = text + strlen(text);
	uint32_t code;
	size_t n;

	for (; text < end; text += n) {
		n = utf8__decode(text, end - text, &code);
		if (code == UTF8_INVALID)
			buf__puts(out, UTF8_REPLACEMENT);
		else
			text__show_bytes(out, text, n);
	}
}

static int64_t add_string(struct profile_tables *tables, const char *text, size_t len)
{
	struct id_entry *entry = find(tables, &tables->strings, text, len);

	if (!entry)
		return 0;
	entry->row = entry->key;
	return entry->place;
}

int64_t profile_tables__string(struct profile_tables *tables, const char *text)
{
	_cleanup_buf_ struct buf clean = {};

	if (!text)
		return 0;
	if (is_plain(text))
		return add_string(tables, text, strlen(text));
	add_clean(&clean, text);
	tables->failed |= clean.failed;
	return clean.failed ? 0 : add_string(tables, clean.data, clean.len);
}

/* --- mappings ------------------------------------------------------------------------------ */

static Pprof__Mapping *mapping_of(struct profile_tables *tables, const char *file,
				  const char *build_id)
{
	const int64_t key[] = {profile_tables__string(tables, file),
			       profile_tables__string(tables, build_id)};
	struct id_entry *entry = find(tables, &tables->mappings, key, sizeof(key));
	Pprof__Mapping *row;

	if (!entry || entry->row)
		return entry ? entry->row : NULL;
	row = alloc(tables, sizeof(*row));
	if (!row)
		return NULL;
	pprof__mapping__init(row);
	row->id = entry->place + 1;
	row->memory_start = row->id * MAPPING_SIZE;
	row->memory_limit = row->memory_start + MAPPING_SIZE;
	row->filename = key[0];
	row->build_id = key[1];
	row->has_functions = true;
	return entry->row = row;
}

uint64_t profile_tables__mapping(struct profile_tables *tables, const char *file,
				 const char *build_id)
{
	const Pprof__Mapping *mapping = mapping_of(tables, file, build_id);

	return mapping ? mapping->id : 0;
}

/* --- functions ----------------------------------------------------------------------------- */

static uint64_t function_of(struct profile_tables *tables, const char *name, const char *file)
{
	const int64_t key[] = {profile_tables__string(tables, name),
			       profile_tables__string(tables, file)};
	struct id_entry *entry = find(tables, &tables->functions, key, sizeof(key));
	Pprof__Function *row;

	if (!entry)
		return 0;
	if (entry->row)
		return entry->place + 1;
	row = alloc(tables, sizeof(*row));
	if (!row)
		return 0;
	pprof__function__init(row);
	row->id = entry->place + 1;
	row->name = row->system_name = key[0];
	row->filename = key[1];
	entry->row = row;
	return row->id;
}

/* A function without a name is called by where it is, as in the other formats. */
static uint64_t function_of_frame(struct profile_tables *tables, const struct frame *frame)
{
	_cleanup_buf_ struct buf name = {};

	if (frame->function && *frame->function)
		return function_of(tables, frame->function, frame->file);
	if (frame->module)
		buf__printf(&name, "%s+", frame->module);
	buf__printf(&name, "0x%" PRIx64, frame->offset);
	tables->failed |= name.failed;
	return name.failed ? 0 : function_of(tables, name.data, frame->file);
}

/* --- locations ----------------------------------------------------------------------------- */

static int fill_place(const Pprof__Mapping *mapping, const struct frame *outer,
		      Pprof__Location *ret)
{
	ret->address = outer->offset;
	if (!outer->module)
		return 0;
	if (!mapping)
		return -ENOMEM;
	ret->mapping_id = mapping->id;
	/* No program is larger; the addresses of a broken file may be. */
	ret->address = mapping->memory_start + outer->offset % MAPPING_SIZE;
	return 0;
}

static int fill_lines(struct profile_tables *tables, const struct frame *const *frames, size_t n,
		      Pprof__Location *ret)
{
	Pprof__Line *lines = alloc(tables, n * sizeof(*lines));

	ret->line = alloc(tables, n * sizeof(*ret->line));
	if (!lines || !ret->line)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		pprof__line__init(&lines[i]);
		lines[i].function_id = function_of_frame(tables, frames[i]);
		lines[i].line = frames[i]->line;
		ret->line[ret->n_line++] = &lines[i];
	}
	return 0;
}

static void note_frames(Pprof__Mapping *mapping, const struct frame *const *frames, size_t n)
{
	for (size_t i = 0; mapping && i < n; i++) {
		mapping->has_filenames |= !!frames[i]->file;
		mapping->has_line_numbers |= !!frames[i]->line;
		mapping->has_inline_frames |= frames[i]->inlined;
	}
}

static Pprof__Location *make_location(struct profile_tables *tables,
				      const struct frame *const *frames, size_t n)
{
	const struct frame *outer = frames[n - 1];
	Pprof__Location *row = alloc(tables, sizeof(*row));
	Pprof__Mapping *mapping = NULL;

	if (!row)
		return NULL;
	pprof__location__init(row);
	if (outer->module)
		mapping = mapping_of(tables, outer->module, outer->build_id);
	note_frames(mapping, frames, n);
	if (fill_place(mapping, outer, row) || fill_lines(tables, frames, n, row))
		return NULL;
	return row;
}

uint64_t profile_tables__location(struct profile_tables *tables, const struct frame *const *frames,
				  size_t n)
{
	struct id_entry *entry = find(tables, &tables->locations, frames, n * sizeof(*frames));
	Pprof__Location *row;

	if (!entry)
		return 0;
	if (entry->row)
		return entry->place + 1;
	row = make_location(tables, frames, n);
	if (!row)
		return 0;
	row->id = entry->place + 1;
	entry->row = row;
	return row->id;
}

uint64_t profile_tables__label(struct profile_tables *tables, const char *text)
{
	struct id_entry *entry = find(tables, &tables->labels, text, strlen(text));
	const struct frame *row;
	struct frame *frame;

	if (!entry)
		return 0;
	if (!entry->row) {
		frame = alloc(tables, sizeof(*frame));
		if (!frame)
			return 0;
		frame->function = entry->key;
		entry->row = frame;
	}
	row = entry->row;
	return profile_tables__location(tables, &row, 1);
}

/* --- all of them --------------------------------------------------------------------------- */

/* The rows in the order of their ids, which is that of their coming. */
static void *rows_of(struct profile_tables *tables, const struct id_table *table, size_t *ret_n)
{
	size_t n = HASH_COUNT(table->entries);
	void **rows = alloc(tables, (n + 1) * sizeof(*rows)), **next = rows;

	if (!rows)
		return NULL;
	for (struct id_entry *entry = table->entries; entry; entry = entry->hh.next)
		*next++ = entry->row;
	*ret_n = n;
	return rows;
}

void profile_tables__finish(struct profile_tables *tables, Pprof__Profile *ret)
{
	ret->mapping = rows_of(tables, &tables->mappings, &ret->n_mapping);
	ret->location = rows_of(tables, &tables->locations, &ret->n_location);
	ret->function = rows_of(tables, &tables->functions, &ret->n_function);
	ret->string_table = rows_of(tables, &tables->strings, &ret->n_string_table);
}
