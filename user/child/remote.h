/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of the process whose stack is unwound, read through the parent. The process goes on,
 * and changes it; what was read serves all of its stacks that were taken before that, for as long
 * as REMOTE_KEPT_NS: to read it again for each would tell no more about when they were taken.
 *
 * It is as hostile as a file. Each read succeeds as a whole or fails. For one stack there are
 * REMOTE_FETCHES_MAX fetches and REMOTE_READS_MAX reads, so that no structure, however it is
 * linked, takes for ever.
 */
#ifndef MEMPROV_REMOTE_H
#define MEMPROV_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

#define REMOTE_LINE	   4096 /* bytes that are fetched at once, aligned so */
#define REMOTE_LINES	   256	/* that are kept; a power of two */
#define REMOTE_KEPT_NS	   1000000000ULL
#define REMOTE_FETCHES_MAX 512
#define REMOTE_READS_MAX   2000000 /* also of what was fetched: some 20 ms */

_Static_assert(REMOTE_FETCHES_MAX <= WIRE_MEMORY_ASKED, "the parent answers all of them");
_Static_assert(REMOTE_LINE <= WIRE_MEMORY_MAX, "an answer has room for a line");

struct remote_line {
	uint64_t at;
	uint64_t read_ns; /* 0: it was not asked for; what cannot be read has no bytes */
	size_t len;
	uint8_t bytes[REMOTE_LINE];
};

/* Reads from the range's beginning on: how many bytes there are, 0 when they cannot be read. */
typedef size_t (*remote_fetch_fn)(void *ctx, const struct wire_range *range, uint8_t *to);

struct remote {
	remote_fetch_fn fetch; /* the owner's to set, with its context */
	void *ctx;
	uint32_t process;
	uint64_t since_ns; /* what was read before is of no use */
	unsigned fetches;
	unsigned reads;
	struct remote_line lines[REMOTE_LINES];
};

/* For the next stack, of the process with that number, taken then (CLOCK_BOOTTIME). A zeroed one
 * has read nothing. */
void remote__begin(struct remote *remote, uint32_t process, uint64_t taken_ns);

bool remote__read(struct remote *remote, uint64_t at, void *ret, size_t len);
bool remote__u8(struct remote *remote, uint64_t at, uint8_t *ret);
bool remote__u16(struct remote *remote, uint64_t at, uint16_t *ret);
bool remote__u32(struct remote *remote, uint64_t at, uint32_t *ret);
bool remote__word(struct remote *remote, uint64_t at, uint64_t *ret); /* 8 bytes */

/* A string of less than `size` bytes, with its NUL. */
bool remote__string(struct remote *remote, uint64_t at, char *ret, size_t size);

#endif
