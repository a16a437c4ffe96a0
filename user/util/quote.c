// SPDX-License-Identifier: BSD-2-Clause
#include "util/quote.h"

#include <string.h>

const char *quote__text(const char *text, char ret[QUOTE_LEN])
{
	size_t i, room = QUOTE_LEN - sizeof("...");

	for (i = 0; i < room && text[i]; i++)
		ret[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	strcpy(ret + i, i == room && text[i] ? "..." : "");
	return ret;
}
