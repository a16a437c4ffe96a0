/* SPDX-License-Identifier: BSD-2-Clause */
/* A function at a program counter. */
#ifndef MEMPROV_SYMBOL_H
#define MEMPROV_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"

#define SYMBOLS_MAX 64 /* of one pc: the innermost ones are kept, and the function itself */

struct symbol {
	const char *function; /* NULL: not known */
	const char *file;     /* NULL: not known; absolute if the debug information tells */
	uint32_t line;	      /* 0: not known, or no line in particular */
	bool inlined;	      /* into the next one */
	enum frame_language language;
	uint64_t offset; /* of a function of a language (wire/frame.h) */
};

#endif
