// SPDX-License-Identifier: BSD-2-Clause
/* Go's table of functions in every format, and cut short: user/child/gopclntab.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "child/gopclntab.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define TEXT 0x401000

struct format {
	unsigned version;
	bool big_endian;
	unsigned ptr_size;
	unsigned quantum;
};

static void put(struct buf *b, const struct format *format, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = value >> 8 * (format->big_endian ? size - 1 - i : i);

		buf__add(b, &byte, 1);
	}
}

static void put_at(struct buf *b, const struct format *format, size_t at, uint64_t value,
		   unsigned size)
{
	struct buf bytes = {};

	put(&bytes, format, value, size);
	memcpy(b->data + at, bytes.data, size);
	buf__free(&bytes);
}

/* Two functions: main.main of 0x40 bytes with line 10, from 0x10 on line 12; main.(*T).Grow of 0x20
 * bytes with line 300. The first is of a.go, the second of b.go. */
static struct buf table_of(const struct format *format)
{
	static const uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};
	bool offsets = format->version > 12, relative = format->version >= 118;
	unsigned ptr = format->ptr_size, field = relative ? 4 : ptr, q = format->quantum;
	size_t header, names, units, files, pcs, functions, base, records[2];
	struct buf b = {};

	put(&b, format,
	    magics[(format->version > 12) + (format->version > 116) + (format->version > 118)], 4);
	put(&b, format, 0, 2);
	put(&b, format, format->quantum, 1);
	put(&b, format, ptr, 1);
	header = b.len;
	for (unsigned i = 0; i < 8; i++)
		put(&b, format, 0, ptr);
	if (!offsets) { /* functab follows the count */
		b.len = header + ptr;
		for (unsigned i = 0; i < 5; i++)
			put(&b, format, 0, ptr);
		put(&b, format, 0, 4);
	}
	names = b.len;
	buf__add(&b, "\0main.main\0main.(*T).Grow", 26);
	files = b.len;
	buf__add(&b, "\0/src/a.go\0/src/b.go", 21);
	units = b.len;
	if (offsets) {
		put(&b, format, 1, 4);
		put(&b, format, 11, 4);
	} else {
		put(&b, format, 3, 4); /* numbers 1 and 2 */
		put(&b, format, files + 1, 4);
		put(&b, format, files + 11, 4);
	}
	pcs = b.len;
	/* Offset 1: file 0 (1.2: 1) for 0x40; 4: lines 10, 12; 9: file 1 (2); 12: line 300. */
	buf__add(&b, "\0", 1);
	put(&b, format, offsets ? 2 : 4, 1);
	put(&b, format, 0x40 / q, 1);
	put(&b, format, 0, 1);
	put(&b, format, 22, 1);
	put(&b, format, 0x10 / q, 1);
	put(&b, format, 4, 1);
	put(&b, format, 0x30 / q, 1);
	put(&b, format, 0, 1);
	put(&b, format, offsets ? 4 : 6, 1);
	put(&b, format, 0x20 / q, 1);
	put(&b, format, 0, 1);
	put(&b, format, (602 & 0x7f) | 0x80, 1);
	put(&b, format, 602 >> 7, 1);
	put(&b, format, 0x20 / q, 1);
	put(&b, format, 0, 1);
	functions = offsets ? b.len : header + ptr;
	base = offsets ? functions : 0;
	if (offsets)
		for (unsigned i = 0; i < 5; i++)
			put(&b, format, 0, field);
	for (unsigned i = 0; i < 2; i++) {
		size_t p = offsets ? 0 : pcs;

		records[i] = b.len;
		put(&b, format, (relative ? 0 : TEXT) + i * 0x40, field);
		put(&b, format, (offsets ? 1 : names + 1) + i * 10, 4);
		put(&b, format, 0, 4);
		put(&b, format, 0, 4);
		put(&b, format, 0, 4);
		put(&b, format, p + (i ? 9 : 1), 4);
		put(&b, format, p + (i ? 12 : 4), 4);
		put(&b, format, 0, 4);
		put(&b, format, 0, 4); /* its unit's first file */
		put_at(&b, format, functions + i * 2 * field, (relative ? 0 : TEXT) + i * 0x40,
		       field);
		put_at(&b, format, functions + (i * 2 + 1) * field, records[i] - base, field);
	}
	put_at(&b, format, functions + 4 * field, (relative ? 0 : TEXT) + 0x60, field);
	put_at(&b, format, header, 2, ptr);
	if (offsets) {
		size_t at = header + 2 * ptr;

		put_at(&b, format, header + ptr, 2, ptr);
		if (relative) {
			put_at(&b, format, at, TEXT, ptr);
			at += ptr;
		}
		put_at(&b, format, at, names, ptr);
		put_at(&b, format, at + ptr, units, ptr);
		put_at(&b, format, at + 2 * ptr, files, ptr);
		put_at(&b, format, at + 3 * ptr, pcs, ptr);
		put_at(&b, format, at + 4 * ptr, functions, ptr);
	} else {
		put_at(&b, format, functions + 5 * field, units, 4);
	}
	assert_int_equal(buf__error(&b), 0);
	return b;
}

static void check(const struct gopclntab *table, uint64_t pc, const char *name, const char *file,
		  uint32_t line)
{
	struct gofunction function;

	assert_int_equal(gopclntab__find(table, pc, &function), 0);
	assert_string_equal(function.name, name);
	assert_non_null(function.file);
	assert_string_equal(function.file, file);
	assert_int_equal(function.line, line);
}

static const struct format formats[] = {
	{12, false, 8, 1},  {12, true, 8, 4},  {12, false, 4, 1},  {12, true, 4, 4},
	{116, false, 8, 1}, {116, true, 8, 4}, {116, false, 4, 2}, {116, true, 4, 4},
	{118, false, 8, 1}, {118, true, 8, 4}, {118, false, 4, 1}, {118, true, 4, 4},
	{120, false, 8, 1}, {120, true, 8, 4}, {120, false, 4, 1}, {120, true, 4, 4},
};

static void every_format(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf bytes = table_of(&formats[i]);
		struct gofunction function = {.line = 77};
		struct gopclntab table;

		assert_int_equal(gopclntab__parse((uint8_t *)bytes.data, bytes.len, &table), 0);
		assert_int_equal(table.version, formats[i].version);
		check(&table, TEXT, "main.main", "/src/a.go", 10);
		check(&table, TEXT + 0xf, "main.main", "/src/a.go", 10);
		check(&table, TEXT + 0x10, "main.main", "/src/a.go", 12);
		check(&table, TEXT + 0x3f, "main.main", "/src/a.go", 12);
		check(&table, TEXT + 0x40, "main.(*T).Grow", "/src/b.go", 300);
		check(&table, TEXT + 0x5f, "main.(*T).Grow", "/src/b.go", 300);
		assert_int_equal(gopclntab__find(&table, TEXT - 1, &function), -ENOENT);
		assert_int_equal(gopclntab__find(&table, TEXT + 0x60, &function), -ENOENT);
		assert_int_equal(function.line, 77);
	}
}

/* Whatever is missing, there is an error or a poorer answer, and no read beyond the end (ASan). */
static void cut_anywhere(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf bytes = table_of(&formats[i]);

		for (size_t len = 0; len < bytes.len; len++) {
			_cleanup_free_ uint8_t *exact = malloc(len ? len : 1);
			struct gofunction function;
			struct gopclntab table;

			assert_non_null(exact);
			memcpy(exact, bytes.data, len);
			if (gopclntab__parse(exact, len, &table))
				continue;
			for (uint64_t pc = TEXT; pc < TEXT + 0x60; pc += 8)
				gopclntab__find(&table, pc, &function);
		}
	}
}

static void wrong_headers(void **state)
{
	const struct format format = {118, false, 8, 1};
	static const struct {
		size_t at;
		uint8_t byte;
	} cases[] = {{0, 0xf3}, {3, 0}, {4, 1}, {5, 1}, {6, 3}, {7, 5}, {15, 0xff}, {63, 0x80}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf bytes = table_of(&format);
		struct gopclntab table = {.size = 5};

		bytes.data[cases[i].at] = (char)cases[i].byte;
		assert_int_equal(gopclntab__parse((uint8_t *)bytes.data, bytes.len, &table),
				 -EINVAL);
		assert_int_equal(table.size, 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(wrong_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
