/* SPDX-License-Identifier: BSD-2-Clause */
/* brk(2): the heap ends elsewhere. */
#ifndef MEMPROV_HEAP_H
#define MEMPROV_HEAP_H

#include "model/space.h"

/* 0, -EINVAL, or an error of ledger.h. */
int heap__apply(struct space *space, const struct mp_event_brk *e, struct trace *trace);

#endif
