/* SPDX-License-Identifier: BSD-2-Clause */
/* Amounts of memory as reports show them; UNKNOWN_BYTES is told from a number. */
#ifndef MEMPROV_AMOUNT_H
#define MEMPROV_AMOUNT_H

#include <stdint.h>

#include "report/encode.h"
#include "util/json.h"

/* "      4096 MB": rounded down, the number right-aligned in `width` columns. Unknown: "-". */
void amount__add(struct buf *out, uint64_t bytes, int width, enum unit unit);

/* The same with a sign, for a change; rounded towards zero. */
void amount__add_change(struct buf *out, int64_t bytes, int width, enum unit unit);

/* A key and the bytes. Unknown: null. */
void amount__put(struct json *json, const char *key, uint64_t bytes);

/* An age in whole seconds, "12 s"; as above. */
void age__add(struct buf *out, uint64_t ms, int width);

#endif
