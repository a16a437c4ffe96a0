/* SPDX-License-Identifier: BSD-2-Clause */
/* Call sites of stacks that a test makes up. */
#ifndef MEMPROV_MADE_SITES_H
#define MEMPROV_MADE_SITES_H

#include "model/callsite.h"

static inline void classify_nothing(struct callsite *site)
{
	(void)site;
}

/* The one call site of these frames, with a reference for the caller. */
static inline struct callsite *make_site(const struct frame *frames, size_t n, bool truncated)
{
	static struct callsite_table *table;
	const struct unwound stack = {
		.source = STACK_SOURCE_CFI, .truncated = truncated, .frames = frames, .n = n};

	if (!table)
		table = callsite_table__new(classify_nothing, NULL);
	return table ? callsite_table__intern(table, 1, &stack) : NULL;
}

#endif
