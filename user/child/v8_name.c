// SPDX-License-Identifier: BSD-2-Clause
#include "child/v8_name.h"

#include <string.h>

#include "util/cleanup.h"
#include "util/number.h"

/* Up to V8 10 the kinds differ; from then on all but what eval() compiles are JS. */
static const char *const kinds[] = {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};

/* Behind the kind and the compiler's mark; NULL: it is no function's. */
static const char *function_in(const char *text)
{
	static const char marks[] = "~^+*";

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i]);

		if (strncmp(text, kinds[i], len))
			continue;
		text += len;
		if (!*text || !strchr(marks, *text))
			return NULL;
		/* Specialized to a context. */
		return text[1] == '\'' ? text + 2 : text + 1;
	}
	return NULL;
}

static const char *skip_scheme(const char *at)
{
	while ((*at >= 'a' && *at <= 'z') || *at == '-')
		at++;
	return at;
}

/* A file begins with a slash or a scheme (node:, file:), and may have blanks in it. Anything else
 * (evalmachine.<anonymous>, [eval]) is behind the name's last blank. */
static const char *file_in(const char *text, const char *end)
{
	const char *last = NULL;

	for (const char *at = text; at < end; at++) {
		if (*at != ' ')
			continue;
		last = at + 1;
		if (*last == '/' || (skip_scheme(last) > last && *skip_scheme(last) == ':'))
			break;
	}
	return last;
}

/* The number that ends there, behind a colon; *end is moved to that. */
static bool number_before(const char *text, const char **end, uint64_t *ret)
{
	const char *at = *end, *digits;

	while (at > text && at[-1] >= '0' && at[-1] <= '9')
		at--;
	digits = at;
	if (at == *end || at == text || at[-1] != ':' || number__scan(&digits, *end, 10, ret))
		return false;
	*end = at - 1;
	return true;
}

static char *copy(struct arena *arena, const char *text, const char *end)
{
	return arena__printf(arena, "%.*s", (int)(end - text), text);
}

bool v8_name__parse(const char *text, struct arena *arena, struct symbol *ret)
{
	const char *name = function_in(text), *end, *file, *name_end;
	struct symbol symbol = {.language = FRAME_OF_JAVASCRIPT};
	uint64_t last, line, column = 0;

	if (!name)
		return false;
	end = name + strlen(name);
	/* Of what is cut or has no place, all is name. */
	file = number_before(name, &end, &last) ? file_in(name, end) : NULL;
	name_end = file ? file - 1 : name + strlen(name);
	if (file) {
		line = last;
		if (number_before(file, &end, &line))
			column = last;
		symbol.line = line <= UINT32_MAX ? line : 0;
		symbol.offset = column;
		if (end > file)
			symbol.file = copy(arena, file, end);
	}
	symbol.function = name < name_end ? copy(arena, name, name_end) : "(anonymous)";
	if (!symbol.function || (file && end > file && !symbol.file))
		return false;
	*ret = symbol;
	return true;
}
