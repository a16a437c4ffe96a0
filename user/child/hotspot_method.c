// SPDX-License-Identifier: BSD-2-Clause
#include "child/hotspot_method.h"

#include <string.h>

#define TEXT_MAX    1024  /* bytes of a name: what is behind is left out */
#define LINES_MAX   65536 /* a method has at most so many bytecodes */
#define HAS_LINES   1	  /* ConstMethod's flags: _has_linenumber_table (oops/constMethod.hpp) */
#define HIGH	    64	  /* byte values that say that another byte follows */
#define NUMBER_MAX  5	  /* bytes */
#define LINE_ESCAPE 0xff  /* CompressedLineNumberReadStream::read_pair() (oops/method.cpp) */
#define LINE_BITS   3

/* What of a ConstMethod is wanted. */
struct const_method {
	uint64_t at;
	uint64_t pool;
	uint16_t name;
	uint16_t code_size;
	uint8_t flags;
};

bool hotspot__number(struct remote *remote, const struct hotspot_layout *layout, uint64_t *at,
		     uint32_t *ret)
{
	uint32_t sum = 0;
	uint8_t byte;

	for (int i = 0; i < NUMBER_MAX; i++) {
		if (!remote__u8(remote, *at, &byte) || byte < layout->excluded)
			return false;
		++*at;
		sum += (uint32_t)(byte - layout->excluded) << (6 * i);
		if (byte < 256 - HIGH)
			break;
	}
	*ret = sum;
	return true;
}

static bool read_const(struct remote *remote, const struct hotspot_layout *layout, uint64_t method,
		       struct const_method *ret)
{
	const uint64_t *at = layout->at;

	return remote__word(remote, method + at[METHOD_CONST], &ret->at) &&
	       remote__word(remote, ret->at + at[CONST_POOL], &ret->pool) &&
	       remote__u16(remote, ret->at + at[CONST_NAME], &ret->name) &&
	       remote__u16(remote, ret->at + at[CONST_CODE_SIZE], &ret->code_size) &&
	       remote__u8(remote, ret->at + at[CONST_FLAGS], &ret->flags);
}

int32_t hotspot_method__bci(struct remote *remote, const struct hotspot_layout *layout,
			    uint64_t method, uint64_t bcp)
{
	struct const_method code;
	uint64_t begin;

	if (!read_const(remote, layout, method, &code))
		return HOTSPOT_NO_BCI;
	begin = code.at + layout->at[CONST_SIZE];
	return bcp >= begin && bcp - begin < code.code_size ? (int32_t)(bcp - begin)
							    : HOTSPOT_NO_BCI;
}

/* --- names --------------------------------------------------------------------------------- */

/* No more than `size` bytes of a Symbol; how many, 0 when there is none. */
static size_t read_symbol(struct remote *remote, const struct hotspot_layout *layout, uint64_t at,
			  char *ret, size_t size)
{
	uint16_t length;
	size_t len;

	if (!at || !remote__u16(remote, at + layout->at[SYMBOL_LENGTH], &length))
		return 0;
	len = length < size ? length : size;
	if (!remote__read(remote, at + layout->at[SYMBOL_BODY], ret, len) || memchr(ret, '\0', len))
		return 0;
	return len;
}

static size_t read_entry(struct remote *remote, const struct hotspot_layout *layout, uint64_t pool,
			 uint16_t index, char *ret, size_t size)
{
	uint32_t length;
	uint64_t symbol;

	if (!index || !remote__u32(remote, pool + layout->at[POOL_LENGTH], &length) ||
	    index >= length ||
	    !remote__word(remote, pool + layout->at[POOL_SIZE] + index * sizeof(symbol), &symbol))
		return 0;
	return read_symbol(remote, layout, symbol, ret, size);
}

/* Of a hidden class, as of a lambda, the name goes on with an address: Main$$Lambda$1+0x800c03000.
 */
static size_t plain(char *name, size_t len)
{
	char *plus = memchr(name, '+', len);

	if (plus)
		len = plus - name;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '/')
			name[i] = '.';
	}
	return len;
}

static const char *name_of(struct remote *remote, const struct hotspot_layout *layout,
			   const struct const_method *code, struct arena *arena)
{
	char text[2 * TEXT_MAX + 2];
	uint64_t holder, class;
	size_t len, n;

	if (!remote__word(remote, code->pool + layout->at[POOL_HOLDER], &holder) ||
	    !remote__word(remote, holder + layout->at[KLASS_NAME], &class))
		return NULL;
	len = read_symbol(remote, layout, class, text, TEXT_MAX);
	len = plain(text, len);
	if (!len)
		return NULL;
	text[len++] = '.';
	n = read_entry(remote, layout, code->pool, code->name, text + len, TEXT_MAX);
	if (!n)
		return NULL;
	text[len + n] = '\0';
	return arena__strdup(arena, text);
}

static const char *file_of(struct remote *remote, const struct hotspot_layout *layout,
			   const struct const_method *code, struct arena *arena)
{
	char text[TEXT_MAX + 1];
	uint16_t index;
	size_t len;

	if (!remote__u16(remote, code->pool + layout->at[POOL_SOURCE_FILE], &index))
		return NULL;
	len = read_entry(remote, layout, code->pool, index, text, TEXT_MAX);
	text[len] = '\0';
	return len ? arena__strdup(arena, text) : NULL;
}

/* --- lines --------------------------------------------------------------------------------- */

static bool read_signed(struct remote *remote, const struct hotspot_layout *layout, uint64_t *at,
			int32_t *ret)
{
	uint32_t number;

	if (!hotspot__number(remote, layout, at, &number))
		return false;
	*ret = (int32_t)(number >> 1 ^ (0 - (number & 1)));
	return true;
}

/* The next row's bytecode index and line; false at the end. */
static bool next_line(struct remote *remote, const struct hotspot_layout *layout, uint64_t *at,
		      uint32_t *bci, uint32_t *line)
{
	int32_t bcis, lines;
	uint8_t byte;

	if (!remote__u8(remote, *at, &byte) || !byte)
		return false;
	++*at;
	if (byte != LINE_ESCAPE) {
		*bci += byte >> LINE_BITS;
		*line += byte & ((1 << LINE_BITS) - 1);
		return true;
	}
	if (!read_signed(remote, layout, at, &bcis) || !read_signed(remote, layout, at, &lines))
		return false;
	*bci += bcis;
	*line += lines;
	return true;
}

/* The line of the last row that begins at the bytecode or before it; 0: none. */
static uint32_t line_of(struct remote *remote, const struct hotspot_layout *layout,
			const struct const_method *code, uint32_t wanted)
{
	uint64_t at = code->at + layout->at[CONST_SIZE] + code->code_size;
	uint32_t bci = 0, line = 0, best = 0, found = 0;

	if (!(code->flags & HAS_LINES))
		return 0;
	for (int i = 0; i < LINES_MAX && next_line(remote, layout, &at, &bci, &line); i++) {
		if (bci > wanted || (found && bci <= best))
			continue;
		best = bci;
		found = line;
	}
	return found;
}

bool hotspot_method__name(struct remote *remote, const struct hotspot_layout *layout,
			  uint64_t method, int32_t bci, struct arena *arena, struct symbol *ret)
{
	struct symbol symbol = {.language = FRAME_OF_JAVA};
	struct const_method code;

	if (!method || !read_const(remote, layout, method, &code))
		return false;
	symbol.function = name_of(remote, layout, &code, arena);
	if (!symbol.function)
		return false;
	symbol.file = file_of(remote, layout, &code, arena);
	if (bci != HOTSPOT_NO_BCI && bci < code.code_size)
		symbol.line = line_of(remote, layout, &code, bci);
	*ret = symbol;
	return true;
}
