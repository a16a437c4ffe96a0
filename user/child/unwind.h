/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A raw stack → the addresses of its frames, in the child. Whether frames have names is another
 * matter (symbols.h).
 */
#ifndef MEMPROV_UNWIND_H
#define MEMPROV_UNWIND_H

#include "child/elf_module.h"
#include "child/symbol.h"
#include "wire/frame.h"
#include "wire/machine.h"
#include "wire/wire.h"

/* Of an executable mapping. */
struct code_row {
	struct wire_row wire;
	struct elf_module *module; /* NULL: none */
};

/* What is executable in a process, ordered by address. */
struct code_map {
	struct code_row *rows;
	size_t n;
};

const struct code_row *code_map__find(const struct code_map *map, uint64_t pc);

struct found_frame {
	uint64_t ip;
	uint64_t pc; /* that lies in the instruction meant: of a call, ip - 1 */
	const struct code_row *row;
	struct elf_module *module; /* NULL: no ELF file is there */
	uint64_t address;	   /* of pc within the module */
	uint64_t offset;	   /* of pc within its file */
	uint64_t sp;		   /* where its stack frame begins; 0: not known */
	bool made;		   /* at run time, as far as is known: no file has it */
	bool uncalled;		   /* something returns to it that it has not called */
};

struct found_stack {
	struct copied_stack stack;	    /* what was read of it */
	const struct mp_stack_other *other; /* of the copy */
	struct found_frame frames[FRAMES_MAX];
	size_t n;
	bool by_fp; /* a frame does not follow from call frame information */
	bool truncated;
	bool left_code; /* the next address is not known to be code */
	enum stack_lasts lasts;
};

/* What a function's name tells of its caller. */
enum caller {
	CALLER_USUAL,
	CALLER_NONE,	  /* a program's or a thread's first function */
	CALLER_ELSEWHERE, /* is on another stack, which was not copied */
	CALLER_FRAMED,	  /* by the frame pointer alone: it moves the stack pointer */
	/* Of these Go functions the goroutine's stack has the caller: */
	CALLER_SWITCHED, /* that has called this one there */
	CALLER_C,	 /* or here, if the thread was on its system stack already */
	CALLER_ENTERED,	 /* that was about to begin, and needs a larger stack */
};

/* A frame of code that a runtime has made, as its own structures tell. */
struct made_frame {
	const struct symbol *symbols; /* as in symbols.h */
	size_t n;
	struct machine caller;
	bool has_caller; /* it is known; else the stack ends here */
	bool is_once;	 /* it follows from more than the words that were read */
};

/* Asked about each frame as it is found. */
struct unwind_hooks {
	/* Before a module is read, which may be the last thing the child does. */
	void (*enter)(void *ctx, const struct code_row *row);
	/* Whether the process has, at pc, what its row's file has at the place. */
	bool (*is_same)(void *ctx, const struct code_row *row, uint64_t pc,
			const struct code_place *place);
	/* Of code that no file has: false when no runtime is known to have made it. `machine` is
	 * the thread's, as far as it is known there; without one (and a stack) only names are told.
	 */
	bool (*made)(void *ctx, const struct found_frame *frame, const struct machine *machine,
		     struct copied_stack *stack, struct made_frame *ret);
	/* `made` is NULL if nothing is known of that. False: there is room for no more. */
	bool (*look)(void *ctx, const struct found_frame *frame, const struct made_frame *made,
		     enum caller *ret);
	/* The same of a function that is no frame yet. */
	enum caller (*caller_of)(void *ctx, const struct found_frame *frame);
	void *ctx;
};

/* found->stack is of the copy. */
void unwind__copy(const struct code_map *map, const struct mp_stack_copy *copy,
		  const struct unwind_hooks *hooks, struct found_stack *found);

/* A list of instruction pointers, innermost first. */
void unwind__list(const struct code_map *map, const uint64_t *ips, size_t n,
		  const struct unwind_hooks *hooks, struct found_stack *found);

#endif
