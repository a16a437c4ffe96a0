/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mremap(2): what was there keeps its creator, wherever it goes; what the call added was created by
 * it. Between its two events the old range is in transit.
 */
#ifndef MEMPROV_MOVES_H
#define MEMPROV_MOVES_H

#include "model/space.h"

/* The call has begun: 0 or -ENOMEM. */
int moves__begin(struct space *space, const struct mp_event_range *e);

/* It has ended: 0, -EINVAL, or an error of ledger.h. */
int moves__end(struct space *space, const struct mp_event_mremap *e, struct trace *trace);

/* What is suspect in the space is forgotten in calls that have begun, too. */
void moves__drop_suspect(struct space *space);

#endif
