/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions, inlined ones and lines from a module's DWARF, versions 2 to 5.
 *
 * .debug_aranges, where a compiler wrote it, leads to the compilation unit. Clang, Rust and Go
 * write none, so when it does not know an address, the ranges of all units are read once and
 * sorted. Within a unit only scopes that contain the address are walked.
 */
#ifndef MEMPROV_DEBUGINFO_H
#define MEMPROV_DEBUGINFO_H

#include <elfutils/libdwfl.h>
#include <stddef.h>

#include "child/symbol.h"
#include "util/arena.h"

struct debuginfo;

/* 0 or -ENOMEM. A module without DWARF answers nothing. It must outlive this. */
int debuginfo__new(Dwfl_Module *module, struct debuginfo **ret);
void debuginfo__free(struct debuginfo *info); /* accepts NULL */

/*
 * Innermost first. 0 with *ret_n functions, 0 when there is none at pc. If only the line is known,
 * there is one without a function's name. Strings are in the arena or are the module's. -ENOMEM.
 *
 * *ret_short: the outermost name is just "visit" of what is "plain_c::Local::visit(int)": of local
 * classes, GCC has no linkage name in the DWARF. The ELF symbol has it.
 */
int debuginfo__lookup(struct debuginfo *info, Dwarf_Addr pc, struct arena *arena,
		      struct symbol ret[SYMBOLS_MAX], size_t *ret_n, bool *ret_short);

#endif
