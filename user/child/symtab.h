/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions that a module's ELF symbol tables name: .symtab, else .dynsym and what
 * .gnu_debugdata adds to it, sorted by address.
 *
 * A wrong name is worse than none. So a symbol answers only for the bytes that its size covers. One
 * without a size (hand-written assembly) answers up to the next symbol of its section, and only if
 * the table has local functions: in a stripped file, what follows an exported label may be any
 * static function.
 *
 * Of several symbols at one address, the one that people know wins: a function before a label, an
 * exported name before a local one, then the one with fewer leading underscores (malloc, not
 * __libc_malloc; mmap, not the global __mmap, though mmap is weak), then global before weak, then
 * the shorter one (mmap, not mmap64), then by the alphabet, so that the answer is always the same.
 */
#ifndef MEMPROV_SYMTAB_H
#define MEMPROV_SYMTAB_H

#include <elfutils/libdwfl.h>
#include <stddef.h>

#define SYMTAB_MAX (1U << 20) /* symbols of a module; those beyond are not looked at */

struct symtab;

/* Reads them all. The names are the module's: it must outlive the table. 0 or -ENOMEM; a module
 * without symbols has an empty table. */
int symtab__new(Dwfl_Module *module, struct symtab **ret);
void symtab__free(struct symtab *symtab); /* accepts NULL */
size_t symtab__count(const struct symtab *symtab);

/* The name as it is in the table, perhaps mangled, without a terminating NUL: a version
 * (@GLIBC_2.2.5) is left out. NULL when no symbol covers pc, an address as the Dwfl has it. */
const char *symtab__find(const struct symtab *symtab, Dwarf_Addr pc, size_t *ret_len);

#endif
