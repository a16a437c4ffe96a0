/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the text of /proc/PID/smaps or /proc/PID/maps, fed in pieces of any size.
 *
 * A line that begins with a lower-case hex digit is a header, one that begins with an upper-case
 * letter is a field of the header before it; the kernel escapes newlines in paths and allows
 * none in names, so no name can forge either. A record of smaps ends with its VmFlags line
 * (since 3.8): one that does not was cut, and is an error rather than a record with zeros.
 * Fields that are not in the table are passed over, so that a newer kernel does not stop us.
 */
#ifndef MEMPROV_SMAPS_H
#define MEMPROV_SMAPS_H

#include "proc/vma.h"

enum smaps_format {
	SMAPS_FULL, /* /proc/PID/smaps */
	SMAPS_MAPS, /* /proc/PID/maps */
};

struct smaps_parser;

/* NULL when out of memory. free accepts NULL. */
struct smaps_parser *smaps_parser__new(enum smaps_format format);
void smaps_parser__free(struct smaps_parser *parser);
void smaps_parser__freep(struct smaps_parser **parser); /* for _cleanup_() */

/* 0; -EBADMSG for text the kernel would not write, ranges that wrap or end no later than the one
 * before (ranges that overlap but go on are torn, not wrong: vma_set.torn); -E2BIG for more VMAs
 * than SMAPS_MAX_VMAS; -ENOMEM. After an error the parser is only good for freeing;
 * smaps_parser__line() tells where it was. */
int smaps_parser__feed(struct smaps_parser *parser, const char *text, size_t len);

/* The end of the text: moves what was read to ret, which the caller frees. -EBADMSG when the
 * text ended within a line or a record. An empty text gives an empty set. */
int smaps_parser__finish(struct smaps_parser *parser, struct vma_set *ret);

/* The number of the line being read, from 1. */
size_t smaps_parser__line(const struct smaps_parser *parser);

/*
 * A process chooses its own paths, and may make them of any length in directories below
 * directories. What is beyond these bounds is left out of the name, and counted in
 * vma_set.names_cut; the VMA and its amounts are there all the same.
 */
#define SMAPS_MAX_VMAS	(1 << 22)
#define SMAPS_LINE_MAX	(64 << 10)
#define SMAPS_NAME_MAX	4096 /* PATH_MAX: longer ones cannot be opened by name anyway */
#define SMAPS_NAMES_MAX (64 << 20)

#endif
