/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside, made safe for a one-line message. */
#ifndef MEMPROV_QUOTE_H
#define MEMPROV_QUOTE_H

#define QUOTE_LEN 68

/* At most 64 bytes of text; what is not printable ASCII becomes '?', and a text that was longer
 * ends in "...". Returns ret, so that it can stand in an argument list. */
const char *quote__text(const char *text, char ret[QUOTE_LEN]);

#endif
