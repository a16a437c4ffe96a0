/* SPDX-License-Identifier: BSD-2-Clause */
/* Why history could not be written, as metrics and the log name it. */
#ifndef MEMPROV_HISTORY_CAUSE_H
#define MEMPROV_HISTORY_CAUSE_H

#include <stddef.h>

#define HISTORY_CAUSES 11

struct cause {
	int err; /* an errno, above 0 */
	const char *cause;
	const char *text;
};
extern const struct cause causes[HISTORY_CAUSES];

/* The index of the cause of a -errno; the first one stands for all that have none of their own. */
size_t cause__of(int err);

#endif
