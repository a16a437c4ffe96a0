/* SPDX-License-Identifier: BSD-2-Clause */
/* A row of figures as a line of text, one column each: ▁▂▄█. */
#ifndef MEMPROV_SPARKLINE_H
#define MEMPROV_SPARKLINE_H

#include <jansson.h>
#include <stddef.h>

#include "util/buf.h"

/* The last n of an array of numbers, from 0 to the largest of them; what is null, or not there, is
 * blank. */
void sparkline__add(struct buf *out, const json_t *figures, size_t n);

#endif
