/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer as the child writes it: frames with their names, in as many packets as it takes. */
#ifndef MEMPROV_REPLY_H
#define MEMPROV_REPLY_H

#include "child/symbols.h"
#include "child/unwind.h"

struct reply;

struct reply *reply__new(const struct code_row *rows); /* NULL when out of memory */
void reply__free(struct reply *reply);		       /* accepts NULL */

/* For what is added. */
struct arena *reply__arena(struct reply *reply);

/* Adds the frame and what was inlined there; `made` (or NULL) names code of no file, with strings
 * of the arena. False when there is no room; *ret is what its name tells of its caller. */
bool reply__add_frame(struct reply *reply, struct symbols *symbols, const struct found_frame *frame,
		      const struct made_frame *made, enum caller *ret);

/* What the function's name tells of its caller. */
enum caller reply__caller_of(struct reply *reply, struct symbols *symbols,
			     const struct found_frame *frame);

/* Puts the frames of Python where the interpreter's were that ran them (python_merge.c). False when
 * there was no room for all frames: the outermost are missing. */
bool reply__add_python(struct reply *reply, const struct found_stack *found,
		       const struct mp_python *python);

int reply__send(struct reply *reply, int socket, const struct found_stack *found);

#endif
