// SPDX-License-Identifier: BSD-2-Clause
#include "util/clock.h"
#include "util/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

static void begin(struct json *json)
{
	if (json->comma)
		buf__add(json->out, ",", 1);
}

/* A whole value in one piece. */
static void value(struct json *json, const char *text)
{
	begin(json);
	buf__puts(json->out, text);
	json->comma = true;
}

static void open(struct json *json, const char *bracket)
{
	begin(json);
	buf__add(json->out, bracket, 1);
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

void json__bytes(struct json *json, const char *bytes, size_t len)
{
	struct buf *out = json->out;
	size_t plain = 0, i, n; /* bytes[plain..i) can be copied as they are */
	const char *escape;
	uint32_t code;

	begin(json);
	buf__add(out, "\"", 1);
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
	json->comma = true;
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
	begin(json);
	buf__add_u64(json->out, number, 0);
	json->comma = true;
}

void json__i64(struct json *json, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	value(json, text);
}

void json__hex(struct json *json, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", address);
	value(json, text);
}

void json__bool(struct json *json, bool yes)
{
	value(json, yes ? "true" : "false");
}

void json__null(struct json *json)
{
	value(json, "null");
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
