/* SPDX-License-Identifier: BSD-2-Clause */
/* Text and lines of CPython's code objects, as they are in memory: pure. They are the process's
 * word, and may be anything. */
#ifndef MEMPROV_PYTHON_TEXT_H
#define MEMPROV_PYTHON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "wire/python_frames.h"

/* As UTF-8; what is no character becomes U+FFFD. NULL when it is not known, or out of memory. */
const char *python_text__utf8(const struct python_text *text, struct arena *arena);

/* The line of the instruction at that many bytes of the code, by a location table of 3.11 or later
 * (co_linetable, Objects/locations.md); 0: it has none, or it is not known. */
uint32_t python_lines__find(const uint8_t *lines, size_t len, int32_t first_line, int32_t instr);

#endif
