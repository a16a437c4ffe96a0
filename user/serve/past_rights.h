/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may read what is kept of processes. */
#ifndef MEMPROV_PAST_RIGHTS_H
#define MEMPROV_PAST_RIGHTS_H

#include <stdbool.h>

struct caller;

enum past_rights {
	PAST_NOTHING,
	PAST_OWN, /* of processes that were always its user's */
	PAST_ALL,
};

enum past_rights past_rights__of(const char *proc, const struct caller *caller);

#endif
