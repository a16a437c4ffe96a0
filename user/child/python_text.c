// SPDX-License-Identifier: BSD-2-Clause
#include "child/python_text.h"

#include <string.h>

#define REPLACEMENT 0xfffd

static uint32_t character(const struct python_text *text, size_t i)
{
	uint32_t c = 0;

	memcpy(&c, text->bytes + i * text->kind, text->kind);
	return !c || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? REPLACEMENT : c;
}

static char *put(char *at, uint32_t c)
{
	if (c < 0x80) {
		*at++ = c;
		return at;
	}
	if (c < 0x800) {
		*at++ = 0xc0 | c >> 6;
	} else {
		if (c < 0x10000) {
			*at++ = 0xe0 | c >> 12;
		} else {
			*at++ = 0xf0 | c >> 18;
			*at++ = 0x80 | (c >> 12 & 0x3f);
		}
		*at++ = 0x80 | (c >> 6 & 0x3f);
	}
	*at++ = 0x80 | (c & 0x3f);
	return at;
}

const char *python_text__utf8(const struct python_text *text, struct arena *arena)
{
	size_t n = text->kind ? text->len / text->kind : 0;
	char *utf8, *at;

	/* Characters of two bytes take up to three, others up to two or four. */
	utf8 = n ? arena__alloc(arena, n * 4 + 1) : NULL;
	if (!utf8)
		return NULL;
	at = utf8;
	for (size_t i = 0; i < n; i++)
		at = put(at, character(text, i));
	*at = '\0';
	return utf8;
}

/* --- lines --------------------------------------------------------------------------------- */

struct table {
	const uint8_t *at;
	const uint8_t *end;
};

/* Six bits in each byte, the lowest first. */
static uint32_t take_varint(struct table *table)
{
	uint32_t value = 0;
	unsigned shift = 0;
	uint8_t byte = 0x40;

	while (table->at < table->end && byte & 0x40) {
		byte = *table->at++;
		if (shift < 32)
			value |= (uint32_t)(byte & 0x3f) << shift;
		shift += 6;
	}
	return value;
}

static int64_t take_signed(struct table *table)
{
	uint32_t value = take_varint(table);

	return value & 1 ? -(int64_t)(value >> 1) : value >> 1;
}

/* The kinds of an entry, by four bits of its first byte. */
enum { ONE_LINE = 10, NO_COLUMN = 13, LONG = 14, NONE = 15 };

/* By how much the line changes; skips what the entry says of columns, whose bytes have no highest
 * bit. */
static int64_t take_delta(struct table *table, unsigned kind)
{
	int64_t delta = 0;

	if (kind >= ONE_LINE && kind < NO_COLUMN)
		delta = kind - ONE_LINE;
	else if (kind == NO_COLUMN || kind == LONG)
		delta = take_signed(table);
	while (table->at < table->end && !(*table->at & 0x80))
		table->at++;
	return delta;
}

uint32_t python_lines__find(const uint8_t *lines, size_t len, int32_t first_line, int32_t instr)
{
	struct table table;
	int64_t line = first_line;
	uint32_t at = 0;

	if (instr == MP_PYTHON_NO_INSTR || first_line < 0)
		return 0;
	if (instr < 0) /* it has not begun */
		return first_line;
	if (!len)
		return 0;
	table = (struct table){lines, lines + len};
	while (table.at < table.end) {
		unsigned head = *table.at++, kind = head >> 3 & 15;

		line += take_delta(&table, kind);
		at += ((head & 7) + 1) * 2;
		if ((uint32_t)instr < at)
			return kind == NONE || line <= 0 || line > INT32_MAX ? 0 : line;
	}
	return 0;
}
