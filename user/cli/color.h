/* SPDX-License-Identifier: BSD-2-Clause */
/* Colours of what is printed: for people, never in a file or a pipe unless they are asked for. */
#ifndef MEMPROV_COLOR_H
#define MEMPROV_COLOR_H

#include <stdbool.h>

#include "options/options.h"
#include "util/buf.h"

#define COLOR_BOLD  "\033[1m"
#define COLOR_GOOD  "\033[32m"
#define COLOR_BAD   "\033[31m"
#define COLOR_RESET "\033[0m"

/* Automatic: on a terminal, unless TERM is dumb or NO_COLOR is set (no-color.org). */
bool color__wanted(enum color_option option, int fd);

/* The text with its headings, "=== … ===", in bold. Memory running out shows in buf__error(ret). */
void color__headings(const struct buf *text, struct buf *ret);

#endif
