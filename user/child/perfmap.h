/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /tmp/perf-PID.map: what a just-in-time compiler (V8, HotSpot's agent, CPython 3.12, .NET) says of
 * the code that it made, a line "START SIZE name" each, in hexadecimal. Compilers append, and use
 * addresses again, so a later line wins where it overlaps an earlier one, of which the rest stays.
 *
 * A traced process writes the file: what is no such line is passed over, and there are bounds.
 */
#ifndef MEMPROV_PERFMAP_H
#define MEMPROV_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERFMAP_BYTES_MAX (64U << 20)
#define PERFMAP_LINES_MAX (1U << 20)
#define PERFMAP_NAME_MAX  1024 /* bytes; a longer one is cut */

struct perfmap;

struct perfmap_stats {
	size_t lines;	/* that were read */
	size_t skipped; /* of them, because they were malformed */
	bool truncated; /* more than the bounds allow: the last bytes and their first lines are read
			 */
};

/* Copies the names. An empty text gives an empty map. 0 or -ENOMEM. */
int perfmap__parse(const char *text, size_t size, struct perfmap **ret);
void perfmap__free(struct perfmap *map); /* accepts NULL */
void perfmap__stats(const struct perfmap *map, struct perfmap_stats *ret);

/* NULL when no code is known there; else NUL-terminated, as long-lived as the map. */
const char *perfmap__find(const struct perfmap *map, uint64_t pc);

#endif
