/* SPDX-License-Identifier: BSD-2-Clause */
/* A frame as people see it, and as JSON has it: the same in reports and in what compares them. */
#ifndef MEMPROV_SHOW_FRAME_H
#define MEMPROV_SHOW_FRAME_H

#include "util/json.h"
#include "wire/frame.h"

/* Its function, or the offset where that is not known; at least `width` characters. */
void frame__add_function(struct buf *out, const struct frame *frame, size_t width);

/* A line: function, module and offset, file and line as far as they are known. */
void frame__add_text(struct buf *out, const struct frame *frame);

/* docs/http.md: an element of "stack". */
void frame__put(struct json *json, const struct frame *frame);

/* By the name that JSON has for it; NULL: FRAME_OF_MACHINE, as for any other. */
enum frame_language frame__language(const char *name);

#endif
