/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a report goes: standard output or error, or -o FILE. */
#ifndef MEMPROV_OUTPUT_H
#define MEMPROV_OUTPUT_H

#include <stddef.h>

#include "util/buf.h"

struct options;

/*
 * file NULL: to fd, standard output or error. A regular or new file is written beside and renamed,
 * so that it is never seen half-written; anything else (a pipe, /dev/null) is written to. 0, or
 * -errno after logging what failed, but -EPIPE is not logged: the reader has seen enough.
 */
int output__write(const char *file, int fd, const char *text, size_t len);

/* A report in the format of the options, to where they say: with colours where they are wanted. */
int output__write_text(const struct options *options, const struct buf *text);

/* Whether binary data may go there: not to a terminal, which would take it for commands. 0, or
 * -EINVAL after logging. */
int output__check_binary(const char *file, int fd);

/* Whether that is likely to work, before hours of work depend on it. 0, or -errno after logging. */
int output__check(const char *file);

#endif
