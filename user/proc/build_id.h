/* SPDX-License-Identifier: BSD-2-Clause */
/* The build id of an ELF file, read from a descriptor. The file is hostile: a few small pieces of
 * it are read, each within bounds of its own, and no number in it is followed unchecked. */
#ifndef MEMPROV_BUILD_ID_H
#define MEMPROV_BUILD_ID_H

#include <stdbool.h>
#include <stdint.h>

#define BUILD_ID_MAX 64 /* bytes; SHA-512 */

struct build_id {
	uint8_t len; /* 0: none */
	uint8_t bytes[BUILD_ID_MAX];
};

/* 0; -ENODATA for an ELF file without one, or for another kind of machine than a 64-bit one of our
 * byte order; -EBADMSG for what is no ELF file, or cannot be read. Zeroes *ret on failure. */
int build_id__read(int fd, struct build_id *ret);

/* False also when both have none. */
bool build_id__equal(const struct build_id *a, const struct build_id *b);

#endif
