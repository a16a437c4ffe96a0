/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations and moments as people write them, read strictly: all of the text or nothing. Pure. */
#ifndef MEMPROV_WHEN_H
#define MEMPROV_WHEN_H

#include <stdint.h>

#define WHEN_TAKES_DURATION "a duration such as 10s, 5m, 2h30m or 14d"
#define WHEN_TAKES_MOMENT                                                                          \
	"a time such as 2026-11-22T21:31:07Z, an age such as -2h or -1h30m, or now"

/* Numbers with units s, m, h, d or w, the larger before the smaller, each once; a number alone
 * counts seconds. 0, -EINVAL for not a duration, -ERANGE beyond [min, max] seconds. */
int when__parse_duration(const char *text, uint64_t min, uint64_t max, uint64_t *ret_s);

/*
 * RFC 3339 (date and time, with Z or an offset from it; a fraction goes down to nanoseconds), an
 * age, or "now"; in ns since 1970. A '+' of the offset may have become a space, as it does in URLs.
 * 0, -EINVAL, or -ERANGE before 1970 or behind 2500.
 */
int when__parse_moment(const char *text, uint64_t now_ns, uint64_t *ret_ns);

#endif
