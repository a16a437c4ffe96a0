/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the functions of a file begin, as its symbols tell, its own direct calls, and the addresses
 * that its code takes. It is for code without call frame information, whose functions nothing else
 * bounds: an address belongs to the last one that begins before it. One that only data has the
 * address of, in a stripped file, is not known, and counts as a part of the one before.
 */
#ifndef MEMPROV_FUNCTIONS_H
#define MEMPROV_FUNCTIONS_H

#include <elf.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a larger file only the symbols tell: the time for a stack is short. */
#define FUNCTIONS_CODE_MAX (16u << 20) /* bytes */

struct functions;

struct function_start {
	uint64_t address; /* the file's own */
	bool global;	  /* other files may call it */
};

/* Reads the code of the segments from fd. 0 or -ENOMEM; what cannot be read tells of nothing. */
int functions__new(Dwfl_Module *module, int fd, const Elf64_Phdr *segments, size_t n,
		   struct functions **ret);
void functions__free(struct functions *functions); /* accepts NULL */

/* The last one at or before the address; false when none is known. */
bool functions__find(const struct functions *functions, uint64_t address,
		     struct function_start *ret);

#endif
