/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of Java, as HotSpot's structures in the process's memory tell them. They lie on the stack
 * that was copied, so the way to the caller is as for machine code; what they are, and how large,
 *is nowhere in a file:
 *
 *	compiled      CodeBlob's frame size leads to the caller; debug information tells which
 *	              methods were inlined there, and the bytecode of each
 *	interpreted   by the frame pointer; the frame has the method and the bytecode's address
 *	native        a compiled wrapper, or the interpreter
 *	stubs         by their size or by the frame pointer; the call stub leads back to machine
 *code
 *
 * The process runs on while it is read, and may lie. What does not fit together ends the stack.
 */
#ifndef MEMPROV_HOTSPOT_H
#define MEMPROV_HOTSPOT_H

#include "child/hotspot_layout.h"
#include "child/unwind.h"
#include "util/arena.h"

/* Of one process. */
struct hotspot {
	const struct elf_module *vm; /* libjvm.so, by which the layout was found; NULL: none */
	uint64_t base;		     /* where its address 0 is */
	bool looked;		     /* for it, in the map that the process has now */
	uint64_t failed_ns;	     /* when its tables could not be read; 0: never */
	bool known;		     /* the layout is */
	struct hotspot_layout layout;
};

/* The process has another map, of which libjvm.so may be a part or not. */
void hotspot__look_again(struct hotspot *hotspot);

struct hotspot_question {
	const struct code_map *map;
	/* As a hook of the unwinder's; NULL: only the process is read from here on. */
	void (*enter)(void *ctx, const struct code_row *row);
	void *ctx;
	struct remote *remote;
	struct arena *arena; /* for the names */
};

/* The frame at frame->ip, where no file's code is; machine is the thread's there. Without one (and
 * a stack) only what was compiled there gets its names. False when it is none of HotSpot's. */
bool hotspot__frame(struct hotspot *hotspot, const struct hotspot_question *question,
		    const struct found_frame *frame, const struct machine *machine,
		    struct copied_stack *stack, struct made_frame *ret);

#endif
