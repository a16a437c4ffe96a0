/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack after unwinding: frames, innermost first, in the way addr2line -i gives them. A function
 * that was inlined is a frame of its own before the one that it was inlined into.
 */
#ifndef MEMPROV_FRAME_H
#define MEMPROV_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMES_MAX 256 /* of one stack; deeper ones are truncated at their outer end */

/* Of code that an interpreter runs, or that was compiled at run time. */
enum frame_language {
	FRAME_OF_MACHINE,
	FRAME_OF_JAVA,
	FRAME_OF_PYTHON,
	FRAME_OF_JAVASCRIPT,
	FRAME_LANGUAGES
};

struct frame {
	enum frame_language language;
	const char *function; /* demangled; NULL: not known */
	const char *file;     /* NULL: not known */
	uint32_t line;	      /* 0: not known */
	bool inlined;
	const char *module;   /* as the process sees it: a path, "[vdso]"; NULL: no file is there */
	const char *build_id; /* hex; NULL: none, or not known */
	/* Within the module, as addr2line takes it: an address of its ELF file. Of a frame that
	 * made a call, the call's last byte; else the instruction itself. Without a module, the
	 * address. Code of a language may be anywhere: of Python, in the function's bytecode; of
	 * JavaScript, the column that the function begins in; of Java nothing. */
	uint64_t offset;
	uint64_t ip; /* the instruction pointer as it was: of a frame that made a call, where it
		      * returns to. The same for all that were inlined there */
};

/* A word of the copied stack that the unwinder read. */
struct stack_word {
	uint32_t offset; /* as util/pieces.h counts */
	bool counts;	 /* as it is, although it is no frame's: a name follows from it */
	uint64_t value;
};

enum stack_source { STACK_SOURCE_NONE, STACK_SOURCE_FP, STACK_SOURCE_CFI };

/* For how long an equal stack has the same frames. */
enum stack_lasts {
	STACK_LASTS,   /* while the same code is mapped */
	STACK_PASSES,  /* a runtime has told of them, and goes on; or more may be known soon */
	STACK_IS_ONCE, /* it does not follow from what is copied, or more may be known the next time
			*/
};

struct unwound {
	enum stack_source source;
	bool truncated; /* it does not reach the outermost frame */
	enum stack_lasts lasts;
	bool poor; /* a debug file could not be looked for, but may be now */
	const struct frame *frames;
	size_t n;
	/* What the frames follow from, besides the registers and the code that is mapped: every
	 * word that was read, in that order, each offset once. */
	const struct stack_word *words;
	size_t n_words;
	uint64_t map_read_ns; /* when the reading began of the map that they were found by */
	uint64_t map_end_ns;  /* and when that ended */
	uint64_t tenant;      /* of the process (proc/domain.h) */
};

#endif
