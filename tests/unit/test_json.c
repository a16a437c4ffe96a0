// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/utf8.h"

#define BAD UTF8_REPLACEMENT

static void test_structure(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	struct json json = {.out = &out};

	json__object(&json);
	json__key(&json, "empty");
	json__array(&json);
	json__end_array(&json);
	json__key(&json, "list");
	json__array(&json);
	json__u64(&json, UINT64_MAX);
	json__i64(&json, INT64_MIN);
	json__object(&json);
	json__end_object(&json);
	json__object(&json);
	json__put_bool(&json, "yes", true);
	json__put_bool(&json, "no", false);
	json__put_null(&json, "none");
	json__end_object(&json);
	json__null(&json);
	json__end_array(&json);
	json__put_hex(&json, "start", 0x7f8a40000000);
	json__put_u64(&json, "zero", 0);
	json__put_string(&json, "s", "x");
	json__put_string(&json, "missing", NULL);
	json__end_object(&json);
	assert_int_equal(buf__error(&out), 0);
	assert_string_equal(
		out.data, "{\"empty\":[],\"list\":[18446744073709551615,-9223372036854775808,{},"
			  "{\"yes\":true,\"no\":false,\"none\":null},null],"
			  "\"start\":\"0x7f8a40000000\",\"zero\":0,\"s\":\"x\",\"missing\":null}");
}

/* One U+FFFD for each maximal subpart, as Unicode 3.9 recommends (table 3-8 to 3-11). */
static void test_strings(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *json;
	} cases[] = {
#define CASE(bytes, json) {bytes, sizeof(bytes) - 1, json}
		CASE("", "\"\""),
		CASE("plain/\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98", "\"plain/\xc3\xa9\xe2\x82\xac"
								   "\xf0\x9f\x90\x98\""),
		CASE("\"\\\n\r\t", "\"\\\"\\\\\\n\\r\\t\""),
		CASE("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\\u007f\""),
		CASE("\xc2\x9b", "\"\\u009b\""),
		CASE("\xff", "\"" BAD "\""),
		CASE("a\x80z", "\"a" BAD "z\""),
		CASE("\xc0\xaf\xe0\x80\xbf", "\"" BAD BAD BAD BAD BAD "\""),
		CASE("\xed\xa0\x80", "\"" BAD BAD BAD "\""),
		CASE("\xf4\x90\x80\x80\xf5", "\"" BAD BAD BAD BAD BAD "\""),
		CASE("\xe2\x82", "\"" BAD "\""),
		CASE("\xf0\x9f\x90", "\"" BAD "\""),
		CASE("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\"" BAD BAD BAD BAD "A\""),
		CASE("\xc3\"", "\"" BAD "\\\"\""),
		CASE("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		     "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""),
#undef CASE
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};
		struct json json = {.out = &out};

		json__bytes(&json, cases[i].bytes, cases[i].len);
		assert_string_equal(out.data, cases[i].json);
	}
}

/* Every pair of bytes, also as a key, is something that another implementation reads. */
static void test_every_pair_parses(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	struct json json = {.out = &out};
	char key[3] = {0};
	json_t *parsed;
	int a, b;

	json__array(&json);
	for (a = 0; a < 256; a++) {
		for (b = 1; b < 256; b++) {
			key[0] = a;
			key[1] = b;
			json__object(&json);
			json__key(&json, key);
			json__bytes(&json, key, 2);
			json__end_object(&json);
		}
	}
	json__end_array(&json);
	parsed = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
	assert_non_null(parsed);
	assert_int_equal(json_array_size(parsed), 256 * 255);
	json_decref(parsed);
}

static void test_decode(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint32_t code;
	} cases[] = {
		{"A", 1, 'A'},
		{"\xc2\x80", 2, 0x80},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\xc1", 1, UTF8_INVALID},
		{"\xf0\x90\x80", 3, UTF8_INVALID},
	};
	uint32_t code;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = utf8__decode(cases[i].bytes, strlen(cases[i].bytes), &code);

		assert_int_equal(n, cases[i].len);
		assert_int_equal(code, cases[i].code);
	}
	/* It stops at the end that it was told, not at what lies behind it. */
	assert_int_equal(utf8__decode("\xe2\x82\xac", 2, &code), 2);
	assert_int_equal(code, UTF8_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_every_pair_parses),
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
