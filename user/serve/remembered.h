/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may read what is remembered of a process that may be gone. */
#ifndef MEMPROV_REMEMBERED_H
#define MEMPROV_REMEMBERED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "report/caller.h"
#include "report/observer.h"

enum remembered_rights {
	REMEMBERED_NONE,
	REMEMBERED_OWN, /* of processes that were always its user's */
	REMEMBERED_ALL,
};

/* Of many processes: a caller that may read everything, or the daemon itself, whose memory has it
 * all, has REMEMBERED_ALL. */
enum remembered_rights remembered__rights(const char *proc, const struct caller *caller);

struct remembered {
	pid_t pid; /* 0: of many */
	uint64_t start_ticks;
	struct observed_owner owner;
};

/* With REMEMBERED_ALL; and of one process its owner, unless the process is there and has gained
 * rights. */
bool remembered__may_read(const struct remembered *remembered, const char *proc,
			  const struct caller *caller);

#endif
