// SPDX-License-Identifier: BSD-2-Clause
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/utf8.h"

/* In rising order. */
static const struct {
	uint32_t first, last;
} controls[] = {
	{0x0000, 0x001f},   /* C0 */
	{0x007f, 0x009f},   /* U+009B is CSI, as good as ESC [ */
	{0x061c, 0x061c},   /* Arabic letter mark */
	{0x200b, 0x200b},   /* zero width space */
	{0x200e, 0x200f},   /* left-to-right and right-to-left marks */
	{0x2028, 0x202e},   /* line and paragraph separators, bidi embeddings and overrides */
	{0x2060, 0x2069},   /* invisible operators, bidi isolates */
	{0xfeff, 0xfeff},   /* byte order mark */
	{0xfff9, 0xfffb},   /* interlinear annotations */
	{0xe0000, 0xe007f}, /* tags */
};

bool text__is_control(uint32_t code)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(controls) && code >= controls[i].first; i++) {
		if (code <= controls[i].last)
			return true;
	}
	return false;
}

static int spell(char *text, size_t size, uint32_t code)
{
	switch (code) {
	case '\n':
		return snprintf(text, size, "\\n");
	case '\r':
		return snprintf(text, size, "\\r");
	case '\t':
		return snprintf(text, size, "\\t");
	}
	return snprintf(text, size,
			code < 0x80	 ? "\\x%02x"
			: code < 0x10000 ? "\\u%04x"
					 : "\\U%08x",
			code);
}

size_t text__show_bytes(struct buf *out, const char *bytes, size_t len)
{
	size_t columns = 0, i, n;
	char spelled[16];
	uint32_t code;

	for (i = 0; i < len; i += n) {
		n = utf8__decode(bytes + i, len - i, &code);
		if (code == UTF8_INVALID) {
			n = 1; /* every bad byte is shown, none stands for another */
			columns += snprintf(spelled, sizeof(spelled), "\\x%02x",
					    (unsigned char)bytes[i]);
			buf__puts(out, spelled);
		} else if (text__is_control(code)) {
			columns += spell(spelled, sizeof(spelled), code);
			buf__puts(out, spelled);
		} else {
			columns++;
			buf__add(out, bytes + i, n);
		}
	}
	return columns;
}

size_t text__show(struct buf *out, const char *s)
{
	return text__show_bytes(out, s, strlen(s));
}

void text__show_padded(struct buf *out, const char *s, size_t width)
{
	size_t columns = text__show(out, s);

	if (columns < width)
		buf__printf(out, "%*s", (int)(width - columns), "");
}

const char *text__base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}
