/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is at a program counter: functions, files and lines, as addr2line -i -f gives them. The
 *first of these sources that knows the function answers:
 *
 *	DWARF        functions, those inlined into them, file and line
 *	.gopclntab   of Go programs, also stripped ones: function, file and line
 *	ELF symbols  functions only (symtab.h says which name is chosen); .gnu_debugdata included
 *
 * A function that no source covers is unknown, never the nearest one. The line table of DWARF
 *answers also for functions that DWARF does not describe (assembly).
 *
 * Names: what the source has, demangled. Of C it is DW_AT_name, as addr2line has it:
 *`__libc_malloc`, where gdb has `__GI___libc_malloc`, and the ELF symbols `malloc`.
 *
 * Files are hostile: only a process without privileges and with a time limit calls this.
 */
#ifndef MEMPROV_SYMBOLS_H
#define MEMPROV_SYMBOLS_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child/symbol.h"
#include "util/arena.h"

struct symbols;

struct symbols_stats {
	uint64_t hits; /* answers that were still known */
	uint64_t misses;
	size_t entries; /* answers that are kept */
	size_t bytes;	/* that they take */
};

/* An empty cache of at most `bytes` for answers; what is read of modules comes on top. NULL when
 * out of memory. */
struct symbols *symbols__new(size_t bytes);
void symbols__free(struct symbols *ctx); /* accepts NULL; before the modules go */

/*
 * pc is an address as the Dwfl has it, within the instruction meant: of a frame that made a call,
 * the return address minus 1. Innermost first. 0 with everything in `arena`, *ret_n = 0 when
 * nothing is known; -ENOMEM.
 */
int symbols__lookup(struct symbols *ctx, Dwfl_Module *module, Dwarf_Addr pc, struct arena *arena,
		    const struct symbol **ret, size_t *ret_n);

/* To be called before a module goes (dwfl_end, or dwfl_report_begin that drops it): another one may
 * come to lie at its address. */
void symbols__forget(struct symbols *ctx, const Dwfl_Module *module);

void symbols__stats(const struct symbols *ctx, struct symbols_stats *ret);

#endif
