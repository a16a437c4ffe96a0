// SPDX-License-Identifier: BSD-2-Clause
#include "child/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

/* Substitutions double the text with every few bytes of a name. What comes after this much is not
 * even waited for. Not at DEMANGLE_OUT_MAX already: the Rust demangler loses the memory of a
 * punycode identifier when it is left in the midst of it. */
#define GIVE_UP (256 << 10)

#define LIBIBERTY_MAX 1024

struct output {
	char *text;
	size_t len;
	size_t seen; /* bytes, also those that were dropped */
	jmp_buf enough;
};

/* The callbacks of libiberty: it has nothing allocated for C++ at this point but its stack. */
static void take(const char *piece, size_t len, void *opaque)
{
	struct output *out = opaque;
	size_t room = DEMANGLE_OUT_MAX - 1 - out->len;

	/* Of nothing, there may be no piece at all. */
	if (!len)
		return;
	out->seen += len;
	if (len > room)
		len = room;
	memcpy(out->text + out->len, piece, len);
	out->len += len;
	if (out->seen > GIVE_UP)
		longjmp(out->enough, 1);
}

static void cut(struct output *out)
{
	static const char dots[] = "...";
	size_t len = DEMANGLE_OUT_MAX - sizeof(dots);

	/* Not in the midst of a character. */
	while (len > 0 && ((unsigned char)out->text[len] & 0xc0) == 0x80)
		len--;
	memcpy(out->text + len, dots, sizeof(dots));
}

/* False when it is no mangled name. */
static bool run(const char *mangled, int options, struct output *out)
{
	if (setjmp(out->enough))
		return true;
	/* Rust first: its legacy names are valid ones of C++, too, with a hash at the end. */
	if (rust_demangle_callback(mangled, options, take, out))
		return true;
	out->len = out->seen = 0;
	return mangled[1] == 'Z' && cplus_demangle_v3_callback(mangled, options, take, out);
}

bool demangle__name(const char *mangled, char ret[DEMANGLE_OUT_MAX])
{
	/* No DMGL_VERBOSE: of Rust, neither the hash nor the crate's disambiguator. */
	int options = DMGL_PARAMS | DMGL_ANSI;
	char text[DEMANGLE_OUT_MAX];
	struct output out = {.text = text};
	size_t len;

	if (mangled[0] != '_' || (mangled[1] != 'Z' && mangled[1] != 'R'))
		return false;
	len = strnlen(mangled, DEMANGLE_IN_MAX + 1);
	if (len > DEMANGLE_IN_MAX)
		return false;
	/* With its limit on recursion, libiberty refuses every C++ name of more than 1,024 bytes,
	 * and templates have such. DEMANGLE_IN_MAX limits it, too: each level takes a byte. */
	if (len > LIBIBERTY_MAX && mangled[1] == 'Z')
		options |= DMGL_NO_RECURSE_LIMIT;
	if (!run(mangled, options, &out) || !out.len || memchr(text, '\0', out.len))
		return false;
	text[out.len] = '\0';
	if (out.seen > out.len)
		cut(&out);
	memcpy(ret, text, strlen(text) + 1);
	return true;
}
