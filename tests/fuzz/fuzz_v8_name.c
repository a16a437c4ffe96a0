// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a name of V8's: what is found of it is in it, and in that order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "child/v8_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, const struct symbol *symbol)
{
	const char *at =
		strcmp(symbol->function, "(anonymous)") ? strstr(text, symbol->function) : text;

	if (!at || !*symbol->function || symbol->language != FRAME_OF_JAVASCRIPT ||
	    (symbol->file && (!*symbol->file || !strstr(at, symbol->file))) ||
	    (symbol->offset && !strrchr(text, ':')))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena__new();
	char *text = malloc(size + 1);
	struct symbol symbol;

	if (arena && text) {
		memcpy(text, data, size);
		text[size] = '\0';
		if (v8_name__parse(text, arena, &symbol))
			check(text, &symbol);
	}
	free(text);
	arena__free(arena);
	return 0;
}
