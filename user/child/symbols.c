// SPDX-License-Identifier: BSD-2-Clause
#include "child/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child/debuginfo.h"
#include "child/demangle.h"
#include "child/gosymbols.h"
#include "child/symtab.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define MODULES_MAX 1024 /* whose symbols are kept */
#define STRING_MAX                                                                                 \
	4096 /* bytes, with the NUL: a hostile file has names of gigabytes; they are cut */

struct key {
	uint64_t module; /* its serial number: an address would come again */
	Dwarf_Addr pc;
};

/* An answer, in one block: the symbols, then their strings. */
struct answer {
	UT_hash_handle hh;
	struct key key;
	size_t bytes;
	size_t n;
	struct symbol symbols[];
};

struct module {
	UT_hash_handle hh;
	const Dwfl_Module *dwfl; /* the key */
	uint64_t serial;
	struct debuginfo *debug;
	struct symtab *symtab; /* NULL: not read yet */
	struct gosymbols *go;  /* NULL: it is no Go program */
};

struct symbols {
	struct module *modules;
	struct answer *answers; /* the oldest first */
	size_t bytes_max;
	uint64_t serial; /* the last one given */
	struct symbols_stats stats;
};

struct symbols *symbols__new(size_t bytes)
{
	struct symbols *ctx = calloc(1, sizeof(*ctx));

	if (ctx)
		ctx->bytes_max = bytes;
	return ctx;
}

static void drop_answer(struct symbols *ctx, struct answer *answer)
{
	HASH_DEL(ctx->answers, answer);
	ctx->stats.bytes -= answer->bytes;
	ctx->stats.entries--;
	free(answer);
}

static void free_module(struct module *module)
{
	if (!module)
		return;
	debuginfo__free(module->debug);
	symtab__free(module->symtab);
	gosymbols__free(module->go);
	free(module);
}

static void drop_module(struct symbols *ctx, struct module *module)
{
	/* Its answers stay until they are the oldest: its serial number is not asked for again. */
	HASH_DEL(ctx->modules, module);
	free_module(module);
}

void symbols__free(struct symbols *ctx)
{
	struct answer *answer, *next_answer;
	struct module *module, *next_module;

	if (!ctx)
		return;
	HASH_ITER (hh, ctx->answers, answer, next_answer)
		drop_answer(ctx, answer);
	HASH_ITER (hh, ctx->modules, module, next_module)
		drop_module(ctx, module);
	free(ctx);
}

void symbols__forget(struct symbols *ctx, const Dwfl_Module *dwfl)
{
	struct module *module;

	HASH_FIND_PTR(ctx->modules, &dwfl, module);
	if (module)
		drop_module(ctx, module);
}

void symbols__stats(const struct symbols *ctx, struct symbols_stats *ret)
{
	*ret = ctx->stats;
}

static void cleanup_module(struct module **module)
{
	free_module(*module);
}

static int open_module(struct symbols *ctx, Dwfl_Module *dwfl, struct module **ret)
{
	_cleanup_(cleanup_module) struct module *module = NULL;
	struct module *known;
	int err;

	HASH_FIND_PTR(ctx->modules, &dwfl, known);
	if (known) {
		*ret = known;
		return 0;
	}
	module = calloc(1, sizeof(*module));
	if (!module)
		return -ENOMEM;
	module->dwfl = dwfl;
	module->serial = ++ctx->serial;
	err = debuginfo__new(dwfl, &module->debug);
	if (!err)
		err = gosymbols__new(dwfl, &module->go);
	if (err)
		return err;
	if (HASH_COUNT(ctx->modules) >= MODULES_MAX)
		drop_module(ctx, ctx->modules);
	HASH_ADD_PTR(ctx->modules, dwfl, module);
	if (!HASH_HAS(module))
		return -ENOMEM;
	*ret = take_ptr(module);
	return 0;
}

/* A function from the ELF symbols; with `only_mangled`, only if demangling made it longer. 0 with
 * *ret untouched when there is none; -ENOMEM. */
static int elf_name(struct module *module, Dwfl_Module *dwfl, Dwarf_Addr pc, bool only_mangled,
		    struct arena *arena, const char **ret)
{
	char text[DEMANGLE_OUT_MAX];
	const char *name;
	bool mangled;
	char *copy;
	size_t len;

	if (!module->symtab) {
		int err = symtab__new(dwfl, &module->symtab);

		if (err)
			return err;
	}
	name = symtab__find(module->symtab, pc, &len);
	if (!name)
		return 0;
	if (len > STRING_MAX)
		len = STRING_MAX;
	copy = arena__alloc(arena, len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, name, len);
	mangled = demangle__name(copy, text);
	if (mangled) {
		copy = arena__strdup(arena, text);
		if (!copy)
			return -ENOMEM;
	}
	if (mangled || !only_mangled)
		*ret = copy;
	return 0;
}

/* Asks the sources. The strings are in the arena, or the module's. */
static int look_up(struct module *module, Dwfl_Module *dwfl, Dwarf_Addr pc, struct arena *arena,
		   struct symbol symbols[SYMBOLS_MAX], size_t *ret_n)
{
	struct symbol *outer;
	bool is_short;
	size_t n;
	int err;

	err = debuginfo__lookup(module->debug, pc, arena, symbols, &n, &is_short);
	if (err)
		return err;
	if (!n)
		symbols[n++] = (struct symbol){};
	outer = &symbols[n - 1];
	if (!outer->function && module->go)
		gosymbols__find(module->go, pc, outer);
	if (!outer->function || is_short) {
		err = elf_name(module, dwfl, pc, outer->function, arena, &outer->function);
		if (err)
			return err;
	}
	/* Between functions, the line is that of the one before. */
	*ret_n = n == 1 && !outer->function ? 0 : n;
	return 0;
}

static size_t string_bytes(const char *s)
{
	return s ? strnlen(s, STRING_MAX - 1) + 1 : 0;
}

static size_t strings_bytes(const struct symbol *symbols, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += string_bytes(symbols[i].function) + string_bytes(symbols[i].file);
	return bytes;
}

static const char *put_string(char **at, const char *s)
{
	size_t bytes = string_bytes(s);
	char *copy = *at;

	if (!s)
		return NULL;
	memcpy(copy, s, bytes - 1);
	copy[bytes - 1] = '\0';
	*at += bytes;
	return copy;
}

static void copy_symbols(struct symbol *to, char *strings, const struct symbol *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].function = put_string(&strings, from[i].function);
		to[i].file = put_string(&strings, from[i].file);
	}
}

/* Keeps an answer, if there is room and memory: it can be found again. */
static void keep(struct symbols *ctx, const struct key *key, const struct symbol *symbols, size_t n)
{
	size_t bytes = sizeof(struct answer) + n * sizeof(*symbols) + strings_bytes(symbols, n);
	struct answer *answer;

	if (bytes > ctx->bytes_max)
		return;
	while (ctx->answers && ctx->stats.bytes + bytes > ctx->bytes_max)
		drop_answer(ctx, ctx->answers);
	answer = calloc(1, bytes);
	if (!answer)
		return;
	answer->key = *key;
	answer->bytes = bytes;
	answer->n = n;
	copy_symbols(answer->symbols, (char *)&answer->symbols[n], symbols, n);
	HASH_ADD(hh, ctx->answers, key, sizeof(answer->key), answer);
	if (!HASH_HAS(answer)) {
		free(answer);
		return;
	}
	ctx->stats.bytes += bytes;
	ctx->stats.entries++;
}

static int hand_out(const struct symbol *symbols, size_t n, struct arena *arena,
		    const struct symbol **ret, size_t *ret_n)
{
	struct symbol *copy = arena__alloc(arena, n * sizeof(*symbols) + strings_bytes(symbols, n));

	if (!copy)
		return -ENOMEM;
	copy_symbols(copy, (char *)&copy[n], symbols, n);
	*ret = copy;
	*ret_n = n;
	return 0;
}

static void cleanup_arena(struct arena **arena)
{
	arena__free(*arena);
}

int symbols__lookup(struct symbols *ctx, Dwfl_Module *dwfl, Dwarf_Addr pc, struct arena *arena,
		    const struct symbol **ret, size_t *ret_n)
{
	_cleanup_(cleanup_arena) struct arena *scratch = NULL;
	struct symbol symbols[SYMBOLS_MAX];
	struct key key = {.pc = pc};
	struct module *module;
	struct answer *known;
	size_t n;
	int err;

	err = open_module(ctx, dwfl, &module);
	if (err)
		return err;
	key.module = module->serial;
	HASH_FIND(hh, ctx->answers, &key, sizeof(key), known);
	if (known) {
		ctx->stats.hits++;
		return hand_out(known->symbols, known->n, arena, ret, ret_n);
	}
	ctx->stats.misses++;
	scratch = arena__new();
	if (!scratch)
		return -ENOMEM;
	err = look_up(module, dwfl, pc, scratch, symbols, &n);
	if (err)
		return err;
	keep(ctx, &key, symbols, n);
	return hand_out(symbols, n, arena, ret, ret_n);
}
