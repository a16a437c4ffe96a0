/* SPDX-License-Identifier: BSD-2-Clause */
/* What an attempt to name a range does to an address space. Results as of changes__apply(). */
#ifndef MEMPROV_NAMING_H
#define MEMPROV_NAMING_H

#include "model/space.h"

struct late_text;

/* MP_NAME_SET and MP_NAME_CLEAR. */
int naming__apply(struct space *space, const struct mp_event_name *e, struct trace *trace);

/* MP_NAME_LATE: the ranges get the name when its text is known; then join_late is to be called for
 * the same addresses. */
int naming__apply_late(struct space *space, const struct mp_event_name *e, struct late_text *late);
int naming__join_late(struct space *space, uint64_t addr, uint64_t len);

#endif
