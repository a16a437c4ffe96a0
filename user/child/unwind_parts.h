/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files share that implement unwind.h: what code says of calls, and the ways from one
 * stack to another. */
#ifndef MEMPROV_UNWIND_PARTS_H
#define MEMPROV_UNWIND_PARTS_H

#include "child/unwind.h"

/* What is at an address. */
struct code {
	const struct code_row *row;
	struct elf_module *module; /* whose code it is; NULL: none that is known */
	uint64_t offset;	   /* of the address in the module's file */
};

bool unwind__find_code(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc,
		       struct code *ret);

/* Which frame an instruction pointer means; false when no code is there. */
bool unwind__locate(const struct code_map *map, uint64_t ip, bool is_call,
		    const struct unwind_hooks *hooks, struct found_frame *ret);

/* The CALL_LEN_MAX bytes before a return address, if it lies in a file. */
bool unwind__read_before(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc,
			 uint8_t *ret);

/* Where the call leads that returns to pc. */
bool unwind__call_target(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc,
			 uint64_t *ret);

/* What signal handlers return to: no call is before it. */
bool unwind__is_trampoline(const struct code_map *map, const struct unwind_hooks *hooks,
			   uint64_t pc);

/* In the function where the kernel starts a program. */
bool unwind__is_entry(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc);

/*
 * A function that has neither call frame information nor a frame pointer: Debian's musl consists of
 * them. Its caller is told by what calls say: the first word on the stack, behind what is the
 * function's own, that a call of just this function would have left there. A word that a call by a
 * register has left is believed where the return address has to be; further out, what starts the
 * program is not believed behind such a one, since there may be frames in between. Words that are
 * passed over are not recorded as read, since the frames do not follow from them.
 */
bool unwind__scan(const struct code_map *map, const struct unwind_hooks *hooks,
		  const struct found_frame *frame, struct found_stack *found,
		  struct machine *machine);

/* To the caller of a function of Go that runs, or calls, another one on the thread's system stack:
 * CALLER_SWITCHED or CALLER_C. */
bool unwind__to_goroutine(const struct code_map *map, const struct unwind_hooks *hooks,
			  enum caller caller, struct found_stack *found, struct machine *machine);

/* To the function of Go that needs a larger stack before it begins. */
bool unwind__to_entered(const struct found_stack *found, struct machine *machine);

/* From a coroutine's first function to the one that has resumed it. */
bool unwind__to_resumer(const struct code_map *map, const struct unwind_hooks *hooks,
			struct found_stack *found, struct machine *machine);

#endif
