// SPDX-License-Identifier: BSD-2-Clause
#include "child/gopclntab.h"

#include <errno.h>
#include <string.h>

#define NONE UINT32_MAX

static uint64_t load(const struct gopclntab *table, const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[table->big_endian ? i : size - 1 - i];
	return value;
}

/* A number at an offset of the table; 0 when it is beyond. Offsets come from the file: each sum of
 * them stays below 2^40 or is checked. */
static uint64_t number(const struct gopclntab *table, uint64_t offset, unsigned size)
{
	if (offset > table->size || table->size - offset < size)
		return 0;
	return load(table, table->data + offset, size);
}

static uint32_t u32(const struct gopclntab *table, uint64_t offset)
{
	return (uint32_t)number(table, offset, 4);
}

/* NULL when it is empty or does not end within the table. */
static const char *string(const struct gopclntab *table, uint64_t offset)
{
	if (offset >= table->size || !table->data[offset] ||
	    !memchr(table->data + offset, '\0', table->size - offset))
		return NULL;
	return (const char *)table->data + offset;
}

/* --- the header --------------------------------------------------------------------------------
 */

static bool known_magic(struct gopclntab *table, bool big_endian)
{
	table->big_endian = big_endian;
	switch (load(table, table->data, 4)) {
	case 0xfffffffb:
		table->version = 12;
		return true;
	case 0xfffffffa:
		table->version = 116;
		return true;
	case 0xfffffff0:
		table->version = 118;
		return true;
	case 0xfffffff1:
		table->version = 120;
		return true;
	default:
		return false;
	}
}

/* The n-th word of the header behind its first 8 bytes. */
static uint64_t word(const struct gopclntab *table, unsigned n)
{
	return number(table, 8 + (uint64_t)n * table->ptr_size, table->ptr_size);
}

static unsigned function_field(const struct gopclntab *table)
{
	return table->version >= 118 ? 4 : table->ptr_size;
}

static void parse_v12(struct gopclntab *table)
{
	table->functions = 8 + table->ptr_size;
}

static void parse_offsets(struct gopclntab *table)
{
	unsigned n = 2;

	if (table->version >= 118)
		table->text_start = word(table, n++);
	table->names = word(table, n++);
	table->units = word(table, n++);
	table->files = word(table, n++);
	table->pcs = word(table, n++);
	table->functions = word(table, n);
}

int gopclntab__parse(const uint8_t *data, size_t size, struct gopclntab *ret)
{
	struct gopclntab table = {.data = data, .size = size};
	uint64_t room;

	if (size < 8 || (!known_magic(&table, false) && !known_magic(&table, true)))
		return -EINVAL;
	table.quantum = data[6];
	table.ptr_size = data[7];
	if (data[4] || data[5] || (table.ptr_size != 4 && table.ptr_size != 8) ||
	    (table.quantum != 1 && table.quantum != 2 && table.quantum != 4))
		return -EINVAL;
	table.n_functions = word(&table, 0);
	if (table.version == 12)
		parse_v12(&table);
	else
		parse_offsets(&table);
	if (table.functions >= size || table.names >= size || table.pcs >= size)
		return -EINVAL;
	/* Pairs of address and offset, and behind the last the address where it ends. */
	room = (size - table.functions) / function_field(&table);
	if (!table.n_functions || room < 1 || table.n_functions > (room - 1) / 2)
		return -EINVAL;
	if (table.version == 12) {
		table.files =
			u32(&table, table.functions + (table.n_functions * 2 + 1) * table.ptr_size);
		table.n_files = u32(&table, table.files);
	}
	*ret = table;
	return 0;
}

/* --- functions ---------------------------------------------------------------------------------
 */

/* Of the n-th function, or with n = n_functions where the last one ends. */
static uint64_t start_of(const struct gopclntab *table, uint64_t n)
{
	unsigned field = function_field(table);

	return table->text_start + number(table, table->functions + n * 2 * field, field);
}

/* The record's n-th field of 4 bytes, counted from 1 as Go's debug/gosym does: the address is
 * before them. */
static uint32_t record_field(const struct gopclntab *table, uint64_t record, unsigned n)
{
	return u32(table, record + function_field(table) + (uint64_t)(n - 1) * 4);
}

static bool varint(const struct gopclntab *table, uint64_t *at, uint32_t *ret)
{
	uint32_t value = 0;

	for (unsigned shift = 0; shift < 35 && *at < table->size; shift += 7) {
		uint8_t byte = table->data[(*at)++];

		value |= shift < 32 ? (uint32_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* The value that a function's table of (change of value, change of pc) has at the pc; -1 when it
 * does not say. */
static int32_t value_at(const struct gopclntab *table, uint32_t offset, uint64_t start, uint64_t pc)
{
	uint64_t at = table->pcs + offset, reached = start;
	uint32_t value = UINT32_MAX, change, bytes;
	bool first = true;

	/* No table: the functions that Go's linker made itself. */
	if (!offset)
		return -1;
	while (varint(table, &at, &change) && (change || first) && varint(table, &at, &bytes)) {
		value += change & 1 ? ~(change >> 1) : change >> 1;
		reached += (uint64_t)bytes * table->quantum;
		if (pc < reached)
			return (int32_t)value;
		first = false;
	}
	return -1;
}

static const char *file_of(const struct gopclntab *table, uint64_t record, uint32_t n)
{
	uint32_t offset;

	if (table->version == 12) {
		if (!n || n >= table->n_files)
			return NULL;
		return string(table, u32(table, table->files + (uint64_t)n * 4));
	}
	offset = u32(table, table->units + ((uint64_t)record_field(table, record, 8) + n) * 4);
	return offset == NONE ? NULL : string(table, table->files + offset);
}

int gopclntab__find(const struct gopclntab *table, uint64_t pc, struct gofunction *ret)
{
	uint64_t low = 0, high = table->n_functions, record;
	unsigned field = function_field(table);
	struct gofunction function = {};
	int32_t value;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (start_of(table, middle) <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low-- || pc >= start_of(table, low + 1))
		return -ENOENT;
	record = table->functions * (table->version > 12) +
		 number(table, table->functions + (low * 2 + 1) * field, field);
	if (record >= table->size)
		return -ENOENT;
	function.start = start_of(table, low);
	function.name = string(table, table->names + record_field(table, record, 1));
	if (!function.name)
		return -ENOENT;
	value = value_at(table, record_field(table, record, 5), function.start, pc);
	if (value >= 0)
		function.file = file_of(table, record, (uint32_t)value);
	value = value_at(table, record_field(table, record, 6), function.start, pc);
	if (value > 0)
		function.line = (uint32_t)value;
	*ret = function;
	return 0;
}
