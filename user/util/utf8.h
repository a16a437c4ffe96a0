/* SPDX-License-Identifier: BSD-2-Clause */
/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef MEMPROV_UTF8_H
#define MEMPROV_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID	 UINT32_MAX
#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * Reads one character at the start of bytes; len > 0. Returns how many bytes it takes and its
 * code point, or UTF8_INVALID and the length of the "maximal subpart" (Unicode 3.9): what one
 * U+FFFD stands for.
 */
size_t utf8__decode(const char *bytes, size_t len, uint32_t *ret);

#endif
