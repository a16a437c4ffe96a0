// SPDX-License-Identifier: BSD-2-Clause
#include "report/metrics.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "util/text.h"
#include "util/utf8.h"

#define ID_DIGITS_MIN 4

static bool is_alnum(char c)
{
	return isalnum((unsigned char)c);
}

static size_t hex_len(const char *s)
{
	size_t n = 0;

	while (isxdigit((unsigned char)s[n]))
		n++;
	return n;
}

/* A whole word of hexadecimal digits, at least one of them a figure: an address without its 0x, a
 * piece of a UUID or hash. Shorter ones are rather words such as "a1". */
static size_t hex_id_len(const char *word)
{
	size_t n = hex_len(word);

	if (n < ID_DIGITS_MIN || is_alnum(word[n]) || strcspn(word, "0123456789") >= n)
		return 0;
	return n;
}

/* The length of what stands at s and varies from mapping to mapping; 0 for none. */
static size_t variable_len(const char *s, bool word_start)
{
	size_t n = word_start ? hex_id_len(s) : 0;

	if (n)
		return n;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		n = hex_len(s + 2);
		if (n)
			return n + 2;
	}
	return strspn(s, "0123456789");
}

void metrics__collapse_name(const char *name, struct buf *ret)
{
	const char *s = name, *end = name + strlen(name);
	uint32_t code;
	size_t n;

	for (; s < end; s += n) {
		bool word_start = s == name || !is_alnum(s[-1]);

		if (*s == '/' && word_start) {
			n = strcspn(s, " \t\n");
			buf__puts(ret, "(path)");
			continue;
		}
		n = variable_len(s, word_start);
		if (n) {
			buf__puts(ret, "N");
			continue;
		}
		n = utf8__decode(s, end - s, &code);
		if (code == UTF8_INVALID || (code != '\n' && text__is_control(code)))
			buf__puts(ret, UTF8_REPLACEMENT);
		else
			buf__add(ret, s, n);
	}
}
