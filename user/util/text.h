/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that a traced process chose, made fit for a terminal and for a line of a report. */
#ifndef MEMPROV_TEXT_H
#define MEMPROV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

/* Characters that steer a terminal or the layout and show nothing themselves: C0, DEL, C1, line
 * separators, bidirectional and other invisible formatting. */
bool text__is_control(uint32_t code);

/* What is behind the last slash; the whole path if that is nothing. */
const char *text__base_name(const char *path);

/*
 * Adds the text with everything that could break the line or steer the terminal spelled out: \n,
 * \x1b, \u202e; a byte that is not UTF-8 as \xff. Anything else, a backslash too, stays as it is:
 * this is for people to read, JSON carries the exact name. Returns how many characters were
 * added, for padding.
 */
size_t text__show(struct buf *out, const char *s);
size_t text__show_bytes(struct buf *out, const char *bytes, size_t len);

/* text__show, then spaces up to `width` characters. */
void text__show_padded(struct buf *out, const char *s, size_t width);

#endif
