// SPDX-License-Identifier: BSD-2-Clause
#include "util/clock.h"
#include "util/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

#define HEX_LEN 20 /* "0x" and 16 digits in quotes */

/* Room for len bytes behind the comma that is due, if one is; NULL when there is none. */
static char *begin(struct json *json, size_t len)
{
	struct buf *out = json->out;

	if (buf__reserve(out, len + 1))
		return NULL;
	if (json->comma)
		out->data[out->len++] = ',';
	return out->data + out->len;
}

/* Up to there it has been filled. */
static void end(struct json *json, char *at, bool comma)
{
	*at = '\0';
	json->out->len = at - json->out->data;
	json->comma = comma;
}

/* A whole value in one piece. */
static void value(struct json *json, const char *text, size_t len)
{
	char *at = begin(json, len);

	if (at)
		end(json, mempcpy(at, text, len), true);
}

static void open(struct json *json, const char *bracket)
{
	value(json, bracket, 1);
	json->comma = false;
}

static void close(struct json *json, const char *bracket)
{
	buf__add(json->out, bracket, 1);
	json->comma = true;
}

void json__object(struct json *json)
{
	open(json, "{");
}

void json__end_object(struct json *json)
{
	close(json, "}");
}

void json__array(struct json *json)
{
	open(json, "[");
}

void json__end_array(struct json *json)
{
	close(json, "]");
}

static const char *short_escape(uint32_t code)
{
	switch (code) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	}
	return NULL;
}

/* DEL and U+0080..9F need no escape in JSON, but they steer a terminal that shows it. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Nearly all that is ever written: not worth decoding. */
static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static bool all_plain(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_plain(bytes[i]))
			return false;
	}
	return true;
}

static char *quote(char *at, const char *bytes, size_t len)
{
	*at++ = '"';
	at = mempcpy(at, bytes, len);
	*at++ = '"';
	return at;
}

static void escaped(struct json *json, const char *bytes, size_t len)
{
	struct buf *out = json->out;
	size_t plain = 0, i, n; /* bytes[plain..i) can be copied as they are */
	const char *escape;
	uint32_t code;

	value(json, "\"", 1);
	for (i = 0; i < len; i += n) {
		n = 1;
		if (is_plain(bytes[i]))
			continue;
		n = utf8__decode(bytes + i, len - i, &code);
		escape = code == UTF8_INVALID ? UTF8_REPLACEMENT : short_escape(code);
		if (!escape && !is_control(code))
			continue;
		buf__add(out, bytes + plain, i - plain);
		plain = i + n;
		if (escape)
			buf__puts(out, escape);
		else
			buf__printf(out, "\\u%04x", code);
	}
	buf__add(out, bytes + plain, len - plain);
	buf__add(out, "\"", 1);
}

void json__bytes(struct json *json, const char *bytes, size_t len)
{
	char *at;

	if (!all_plain(bytes, len)) {
		escaped(json, bytes, len);
		return;
	}
	at = begin(json, len + 2);
	if (at)
		end(json, quote(at, bytes, len), true);
}

void json__string(struct json *json, const char *s)
{
	if (s)
		json__bytes(json, s, strlen(s));
	else
		json__null(json);
}

void json__key(struct json *json, const char *key)
{
	json__string(json, key);
	buf__add(json->out, ":", 1);
	json->comma = false;
}

void json__u64(struct json *json, uint64_t number)
{
	if (begin(json, 0))
		buf__add_u64(json->out, number, 0);
	json->comma = true;
}

void json__i64(struct json *json, int64_t number)
{
	char text[24];

	value(json, text, snprintf(text, sizeof(text), "%" PRId64, number));
}

void json__hex(struct json *json, uint64_t address)
{
	char text[HEX_LEN];
	size_t at = sizeof(text);

	text[--at] = '"';
	do
		text[--at] = "0123456789abcdef"[address & 0xf];
	while (address >>= 4);
	text[--at] = 'x';
	text[--at] = '0';
	text[--at] = '"';
	value(json, text + at, sizeof(text) - at);
}

void json__bool(struct json *json, bool yes)
{
	if (yes)
		value(json, "true", 4);
	else
		value(json, "false", 5);
}

void json__null(struct json *json)
{
	value(json, "null", 4);
}

void json__put_string(struct json *json, const char *key, const char *s)
{
	json__key(json, key);
	json__string(json, s);
}

void json__put_u64(struct json *json, const char *key, uint64_t number)
{
	json__key(json, key);
	json__u64(json, number);
}

void json__put_hex(struct json *json, const char *key, uint64_t address)
{
	json__key(json, key);
	json__hex(json, address);
}

void json__put_bool(struct json *json, const char *key, bool yes)
{
	json__key(json, key);
	json__bool(json, yes);
}

void json__put_null(struct json *json, const char *key)
{
	json__key(json, key);
	json__null(json);
}

void json__put_time(struct json *json, const char *key, uint64_t wall_ns)
{
	char text[CLOCK_TEXT_LEN];

	if (wall_ns)
		clock__format(wall_ns, text);
	json__put_string(json, key, wall_ns ? text : NULL);
}
