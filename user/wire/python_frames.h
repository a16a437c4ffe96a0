/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames of Python behind a stack, as BPF has read them (python.h): checked, and one by one. */
#ifndef MEMPROV_PYTHON_FRAMES_H
#define MEMPROV_PYTHON_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "event.h"
#include "python.h"

/* Text as the interpreter has it: characters of `kind` bytes each, 1, 2 or 4; 0: not known. */
struct python_text {
	const uint8_t *bytes;
	size_t len;
	unsigned kind;
};

struct python_frame {
	struct mp_python_frame raw;
	struct python_text name;
	struct python_text file;
	const uint8_t *lines; /* co_linetable; NULL: not known */
	size_t lines_len;
};

/* Where one is in the frames. Begun with python_cursor__begin(). */
struct python_cursor {
	const struct mp_python *python;
	size_t next;
	size_t used;				      /* of the text */
	struct python_frame frames[MP_PYTHON_FRAMES]; /* before it */
};

/* False when the bytes are not as python.h says. */
bool python__is_whole(const struct mp_python *python, size_t bytes);

/* Of a stack that is whole: its frames of Python, or NULL. */
const struct mp_python *stack__python(const struct mp_stack *stack);

/* All bytes of a stack behind its head, whether it is whole or not. */
static inline size_t stack__bytes(const struct mp_stack *stack)
{
	return stack->bytes + stack->python * sizeof(uint64_t);
}

/* Of frames that are whole; NULL: there are none. */
void python_cursor__begin(struct python_cursor *cursor, const struct mp_python *python);

/* The next one, from the innermost on; NULL when there is none. As long-lived as the cursor. */
const struct python_frame *python_cursor__next(struct python_cursor *cursor);

#endif
