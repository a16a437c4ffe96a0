/* SPDX-License-Identifier: BSD-2-Clause */
/* System V shared memory: shmat(2) and shmdt(2). */
#ifndef MEMPROV_ATTACHMENTS_H
#define MEMPROV_ATTACHMENTS_H

#include "model/space.h"

/* 0, -EINVAL, or an error of ledger.h; -EINVAL also when nothing is attached there. */
int attachments__add(struct space *space, const struct mp_event_shmat *e, struct trace *trace);
int attachments__remove(struct space *space, const struct mp_event_shmdt *e);

#endif
