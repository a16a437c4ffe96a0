// SPDX-License-Identifier: BSD-2-Clause
#include "cli/color.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool color__wanted(enum color_option option, int fd)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if (option != COLOR_AUTO)
		return option == COLOR_ALWAYS;
	return isatty(fd) && !(none && *none) && term && strcmp(term, "dumb");
}

void color__headings(const struct buf *text, struct buf *ret)
{
	const char *end = text->data + text->len, *next;

	for (const char *line = text->data; line && line < end; line = next) {
		size_t len;
		bool heading;

		next = memchr(line, '\n', end - line);
		next = next ? next + 1 : end;
		len = next - line - (next[-1] == '\n');
		heading = len > 4 && !memcmp(line, "=== ", 4);
		buf__puts(ret, heading ? COLOR_BOLD : "");
		buf__add(ret, line, len);
		buf__puts(ret, heading ? COLOR_RESET : "");
		buf__add(ret, line + len, next - line - len);
	}
}
