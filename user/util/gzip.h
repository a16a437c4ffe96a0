/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMPROV_GZIP_H
#define MEMPROV_GZIP_H

#include "util/buf.h"

/* Adds the bytes as one gzip member (RFC 1952). Equal input gives equal output: no time is in it.
 * Memory running out shows in buf__error(ret). */
void gzip__add(const void *bytes, size_t len, struct buf *ret);

#endif
