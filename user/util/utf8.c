// SPDX-License-Identifier: BSD-2-Clause
#include "util/utf8.h"

#include "util/cleanup.h"

/* Unicode table 3-7: by the first byte, how long the sequence is and what the second byte may be.
 * The limits of the second are what keeps out overlong forms, surrogates and > U+10FFFF. */
static const struct {
	unsigned char first, last;
	unsigned char len;
	unsigned char bits; /* of the first byte that belong to the code point */
	unsigned char min, max;
} forms[] = {
	{0x00, 0x7f, 1, 0x7f, 0, 0},	   {0xc2, 0xdf, 2, 0x1f, 0x80, 0xbf},
	{0xe0, 0xe0, 3, 0x0f, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x0f, 0x80, 0xbf},
	{0xed, 0xed, 3, 0x0f, 0x80, 0x9f}, {0xee, 0xef, 3, 0x0f, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x07, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x07, 0x80, 0xbf},
	{0xf4, 0xf4, 4, 0x07, 0x80, 0x8f},
};

size_t utf8__decode(const char *bytes, size_t len, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)bytes;
	unsigned char min, max;
	size_t form, i;
	uint32_t code;

	*ret = UTF8_INVALID;
	for (form = 0; form < ARRAY_SIZE(forms); form++) {
		if (p[0] >= forms[form].first && p[0] <= forms[form].last)
			break;
	}
	if (form == ARRAY_SIZE(forms))
		return 1;
	code = p[0] & forms[form].bits;
	min = forms[form].min;
	max = forms[form].max;
	for (i = 1; i < forms[form].len; i++) {
		if (i == len || p[i] < min || p[i] > max)
			return i;
		code = code << 6 | (p[i] & 0x3f);
		min = 0x80;
		max = 0xbf;
	}
	*ret = code;
	return i;
}
