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

/* False when something was mapped, after taken_ns, where a frame is: the unwinder may have read
 * that and not the code that the stack was taken in. */
bool code__was_there(const struct space *space, const struct unwound *unwound, uint64_t taken_ns);

#endif
