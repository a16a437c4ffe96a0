// SPDX-License-Identifier: BSD-2-Clause
#include "diff/json_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options/options.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/quote.h"

/* Within a word or before the digits of a number, which jansson calls a token that is none. */
static bool ends_in_token(const char *text, size_t len)
{
	static const char *const tokens[] = {"true", "false", "null"};
	size_t n = 0;

	while (n < len && text[len - n - 1] >= 'a' && text[len - n - 1] <= 'z')
		n++;
	for (size_t i = 0; n && i < ARRAY_SIZE(tokens); i++) {
		if (n < strlen(tokens[i]) && !memcmp(tokens[i], text + len - n, n))
			return true;
	}
	return len && text[len - 1] == '-';
}

json_t *json_read__parse(const char *text, size_t len, char error[JSON_READ_ERROR_LEN])
{
	json_error_t why = {};
	char quoted[QUOTE_LEN];
	json_t *tree;

	/* Which jansson would take for the end. */
	if (len && memchr(text, '\0', len)) {
		snprintf(error, JSON_READ_ERROR_LEN, "it is not JSON: it holds a NUL byte");
		return NULL;
	}
	tree = json_loadb(len ? text : "", len, JSON_REJECT_DUPLICATES, &why);
	if (tree)
		return tree;
	if (!len)
		snprintf(error, JSON_READ_ERROR_LEN, "it is empty");
	else if (json_error_code(&why) == json_error_premature_end_of_input ||
		 ((size_t)why.position == len && ends_in_token(text, len)))
		snprintf(error, JSON_READ_ERROR_LEN, "it is cut off: it ends within the JSON");
	else if (json_error_code(&why) == json_error_out_of_memory)
		snprintf(error, JSON_READ_ERROR_LEN, "out of memory");
	else
		snprintf(error, JSON_READ_ERROR_LEN, "it is not JSON: line %d: %s", why.line,
			 quote__text(why.text, quoted));
	return NULL;
}

const char *json_read__string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

bool json_read__bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

uint64_t json_read__u64(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return UINT64_MAX;
	return json_integer_value(value);
}

int json_read__pid(const json_t *object, const char *key)
{
	uint64_t pid = json_read__u64(object, key);

	return pid <= OPTIONS_PID_MAX ? (int)pid : 0;
}

uint64_t json_read__hex(const json_t *object, const char *key)
{
	const char *text = json_read__string(object, key), *end;
	uint64_t value;

	if (!text || strncmp(text, "0x", 2))
		return 0;
	end = text + strlen(text);
	text += 2;
	return number__scan(&text, end, 16, &value) || text != end ? 0 : value;
}
