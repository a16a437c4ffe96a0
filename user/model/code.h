/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which events change the code that a space has mapped: from then on what is known of its modules
 * is stale, and where code went away, stacks that looked the same may not be.
 */
#ifndef MEMPROV_CODE_H
#define MEMPROV_CODE_H

#include "model/space.h"

/* Before the event is applied. When memory for a new image is lacking there is none, and every
 * stack is unwound. */
void code__follow(struct space *space, struct space_tools *tools, const union mp_event *event);

/* True for a mapping that stacks may run through. */
bool code__is_mapped_by(const struct mp_event_mmap *event);

#endif
