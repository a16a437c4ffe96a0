/* SPDX-License-Identifier: BSD-2-Clause */
/* What an event about memory does to an address space, and what events that are missing do. */
#ifndef MEMPROV_CHANGES_H
#define MEMPROV_CHANGES_H

#include "model/space.h"

/* Applies an event about memory (MMAP to SHMDT, NAME when its state is SET or CLEAR, THREAD, and
 * COMM of a thread); others are not for it. trace: the call's stack, or NULL. 0, -EINVAL for
 * arguments the kernel will refuse too (nothing changes), or an error of ledger.h: then the range
 * is erased, so that it is unknown and not wrong. */
int changes__apply(struct space *space, const union mp_event *event, struct trace *trace);

/* For what applies an event in its place: there is one, also when it cannot be applied. */
void changes__begin(struct space *space, const struct mp_event_head *head);

/* Events that spoke of [lo, hi) are missing; events that are applied from here on may be older
 * than the loss. */
void changes__suspect(struct space *space, uint64_t lo, uint64_t hi, uint64_t until);

/* All events of before the last loss have been applied: what is suspect is forgotten. To be
 * called before the ledger is looked at. */
void changes__drop_suspect(struct space *space);

#endif
