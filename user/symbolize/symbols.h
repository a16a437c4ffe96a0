/* SPDX-License-Identifier: BSD-2-Clause */
/* Stand-in until the lookup of symbols lands: names from the symbol table only. */
#ifndef MEMPROV_SYMBOLS_H
#define MEMPROV_SYMBOLS_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"

struct symbol {
	const char *function;
	const char *file;
	uint32_t line;
	bool inlined;
};

struct symbols;

struct symbols *symbols__new(size_t bytes);
void symbols__free(struct symbols *ctx);
int symbols__lookup(struct symbols *ctx, Dwfl_Module *module, Dwarf_Addr pc, struct arena *arena,
		    const struct symbol **ret, size_t *ret_n);
void symbols__forget(struct symbols *ctx, const Dwfl_Module *module);

#endif
