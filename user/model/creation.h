/* SPDX-License-Identifier: BSD-2-Clause */
/* How an event puts ranges into the ledger of its space: for files of this room. */
#ifndef MEMPROV_CREATION_H
#define MEMPROV_CREATION_H

#include "model/space.h"

struct creation {
	uint64_t lo;
	uint64_t hi;
	enum origin origin;
	bool is_code;
	bool for_stack;
	bool attached;
	uint64_t base; /* of an attachment: where its first page would be */
	const struct mp_event_head *head;
	const char *comm;
	struct trace *trace;
	struct trace *reservation; /* as in struct record */
	/* What continues a mapping is called what that is called: as in struct ledger_range. */
	struct name *name;
	uint64_t named_ns;
};

/* What was created is counted as a use of its stack. 0, -ENOMEM, or an error of ledger.h. */
int creation__apply(struct space *space, const struct creation *what);

/* Puts a range, or at least takes away what is no longer true. */
int creation__put(struct space *space, const struct ledger_range *range);

#endif
