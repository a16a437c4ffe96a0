/* SPDX-License-Identifier: BSD-2-Clause */
/* What a frame of Python is of a program, by a table; for frames.c. */
#ifndef MEMPROV_FRAMES_PYTHON_H
#define MEMPROV_FRAMES_PYTHON_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/frame.h"

enum python_part {
	PYTHON_FUNCTION, /* a function of the program, or of a library */
	PYTHON_BODY,	 /* of a module: owns if no function around it does, that imports it */
	PYTHON_RUNTIME,	 /* what starts programs, imports and threads; comprehensions */
};

/* '*' in the pattern stands for any text. */
typedef bool text_matches_fn(const char *pattern, const char *text, size_t len);

enum python_part python_part__of(const struct frame *frame, text_matches_fn *matches);

/* A native frame of a module that was installed for Python: what it does, it does for the function
 * of Python that called it. */
bool frame__is_extension(const struct frame *frame, text_matches_fn *matches);

#endif
