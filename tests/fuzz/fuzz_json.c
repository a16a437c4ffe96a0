// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a name: the JSON of it is valid and holds just that one name, and the text of it
 * is one harmless line. The checks below are written apart from util/utf8.c on purpose.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/metrics.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* RFC 3629 by value: decode loosely, then reject what is too long, a surrogate or too large. */
static void check_utf8(const struct buf *b)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)b->data;
	size_t at;
	uint32_t code;
	int len, i;

	for (at = 0; at < b->len; at += len, s += len) {
		len = *s < 0x80 ? 1 : (*s >> 5) == 6 ? 2 : (*s >> 4) == 14 ? 3 : 4;
		check(len < 4 || (*s >> 3) == 30);
		check(b->len - at >= (size_t)len);
		code = len == 1 ? *s : *s & (0x7f >> len);
		for (i = 1; i < len; i++) {
			check((s[i] & 0xc0) == 0x80);
			code = code << 6 | (s[i] & 0x3f);
		}
		check(code >= least[len] && code <= 0x10ffff);
		check(code < 0xd800 || code > 0xdfff);
	}
}

/* The end of the string literal at s, its escapes checked. */
static const char *skip_string(const char *s)
{
	check(*s++ == '"');
	for (; *s != '"'; s++) {
		check((unsigned char)*s >= 0x20);
		if (*s != '\\')
			continue;
		s++;
		check(*s && strchr("\"\\nrtu", *s));
		if (*s == 'u') {
			check(strspn(s + 1, "0123456789abcdef") >= 4);
			s += 4;
		}
	}
	return s + 1;
}

static const char *skip(const char *s, const char *expected)
{
	size_t len = strlen(expected);

	check(!strncmp(s, expected, len));
	return s + len;
}

static void check_json(const char *bytes, size_t size, const char *name)
{
	_cleanup_buf_ struct buf out = {0};
	struct json json = {.out = &out};
	const char *s;

	json__object(&json);
	json__key(&json, name);
	json__array(&json);
	json__bytes(&json, bytes, size);
	json__string(&json, name);
	json__end_array(&json);
	json__put_null(&json, "end");
	json__end_object(&json);
	check(!buf__error(&out));
	check_utf8(&out);

	s = skip_string(skip(out.data, "{"));
	s = skip_string(skip(s, ":["));
	s = skip_string(skip(s, ","));
	s = skip(s, "],\"end\":null}");
	check(s == out.data + out.len);
}

static void check_shown(const char *bytes, size_t size)
{
	_cleanup_buf_ struct buf out = {0};
	size_t columns = text__show_bytes(&out, bytes, size), i, starts = 0;

	check_utf8(&out);
	for (i = 0; i < out.len; i++) {
		unsigned char c = out.data[i];

		check(c >= 0x20 && c != 0x7f);
		/* U+0080..9F; U+200E, U+200F, U+202A..202E; U+2066..2069 */
		check(c != 0xc2 || (unsigned char)out.data[i + 1] >= 0xa0);
		check(strncmp(out.data + i, "\xe2\x80\x8e", 3) &&
		      strncmp(out.data + i, "\xe2\x80\x8f", 3));
		check(strncmp(out.data + i, "\xe2\x80", 2) ||
		      (unsigned char)out.data[i + 2] < 0xaa ||
		      (unsigned char)out.data[i + 2] > 0xae);
		check(strncmp(out.data + i, "\xe2\x81", 2) ||
		      (unsigned char)out.data[i + 2] < 0xa6 ||
		      (unsigned char)out.data[i + 2] > 0xa9);
		starts += (c & 0xc0) != 0x80;
	}
	check(columns == starts);
}

/* A metric's label from the name has no address and no number, and collapsing it again changes
 * nothing. */
static void check_collapsed(const char *name)
{
	_cleanup_buf_ struct buf once = {0}, twice = {0};

	metrics__collapse_name(name, &once);
	check_utf8(&once);
	if (!once.len)
		return;
	check(!strpbrk(once.data, "0123456789"));
	metrics__collapse_name(once.data, &twice);
	check(!strcmp(once.data, twice.data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = strndup((const char *)data, size);

	if (!name)
		return 0;
	check_json((const char *)data, size, name);
	check_shown((const char *)data, size);
	check_collapsed(name);
	return 0;
}
