/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ELF file that processes have mapped, in the child: its call frame information and its
 * Dwfl_Module for symbols. Addresses are the file's own (as addr2line takes them), so that one
 * module serves every process that has mapped the file, wherever.
 *
 * Nothing of the file is read before the first address in it is asked about.
 */
#ifndef MEMPROV_ELF_MODULE_H
#define MEMPROV_ELF_MODULE_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "child/functions.h"

struct elf_module;

/* Opens the file's debug file, of the same build id, by that or by the name in .gnu_debuglink
 * (which may be NULL): fd, -1 when there is none, -EAGAIN when it could not be looked for. */
typedef int (*find_debug_fn)(void *ctx, uint32_t file, const char *link);

/* Takes fd. NULL when out of memory. */
struct elf_module *elf_module__new(uint32_t number, int fd, find_debug_fn find_debug, void *ctx);
void elf_module__free(struct elf_module *module); /* accepts NULL */

/* Reads what must be known of the file: 0, or -EBADMSG when it is no ELF file that could run here;
 * the result is kept. */
int elf_module__load(struct elf_module *module);
/* Gives back what reading it took; the next load begins anew. The caller has made symbols forget
 * it. */
void elf_module__unload(struct elf_module *module);
/* The debug file could not be looked for: the process has gone, or is busy with an exec. */
bool elf_module__is_poor(const struct elf_module *module);
/* When it was last used, by the caller's clock. */
void elf_module__use(struct elf_module *module, uint64_t now);
uint64_t elf_module__last_use(const struct elf_module *module);
Dwfl_Module *elf_module__dwfl(const struct elf_module *module); /* NULL before load */
size_t elf_module__bytes(const struct elf_module *module);	/* mapped of its files */

/* The address of the byte at an offset of the file; false when it is not loaded to memory. */
bool elf_module__address(const struct elf_module *module, uint64_t offset, uint64_t *ret);

/* The file's code that belongs to address `pc`, when the byte at `offset` is mapped at `start`: its
 * offset, and how many bytes of the code there are in front of it and from it on. False when none
 * belongs there. */
struct code_place {
	uint64_t offset;
	uint64_t before;
	uint64_t left;
};
bool elf_module__place(const struct elf_module *module, uint64_t start, uint64_t offset,
		       uint64_t pc, struct code_place *ret);

/* 0 bytes: none. */
size_t elf_module__build_id(const struct elf_module *module, const unsigned char **ret);

/* The values of symbols in its dynamic symbol table; false when one is missing. Of a list of names
 * that it lacks this is kept, by the first one's pointer. 63 at most. */
bool elf_module__exports(struct elf_module *module, const char *const *names, size_t n,
			 uint64_t *ret);

/* What the file holds at an offset: how many bytes, or -errno. */
ssize_t elf_module__read(const struct elf_module *module, uint64_t offset, void *ret, size_t len);

struct cfi_site {
	Dwarf_Frame *frame; /* NULL: there is no call frame information */
	bool signal;	    /* the kernel calls the signal handler from here */
	int ra;		    /* the column of the return address */
};

/* What is known of an address; kept, and valid until the next call. NULL when out of memory. */
const struct cfi_site *elf_module__cfi(struct elf_module *module, uint64_t address);

/* Where the function begins that the address is in; false when that is not known. */
bool elf_module__function(struct elf_module *module, uint64_t address, struct function_start *ret);

#endif
