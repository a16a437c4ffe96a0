/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What events do to the code that a space has mapped, and what that means for stacks.
 *
 * A stack is unwound some time after it was taken, by a map that is read then, once for all that
 * wait. That is right as long as what is mapped at its frames is what was there when it was taken,
 * and the ledger knows since when it is, and the space what has gone since. So code that is mapped
 * where none was invalidates nothing; only what goes from under stacks that are known does.
 */
#ifndef MEMPROV_CODE_H
#define MEMPROV_CODE_H

#include "model/space.h"

/* Before the event is applied. When memory is lacking the space has no known stacks,
 * and every stack is unwound. */
void code__follow(struct space *space, const union mp_event *event);

/* Events that spoke of [lo, hi) are lost, up to `until`: other code may be there. */
void code__suspect(struct space *space, uint64_t lo, uint64_t hi, uint64_t until);

/* When the newest of what the frames lie in was mapped; 0: all of it before us. */
uint64_t code__newest_ns(const struct space *space, const struct unwound *unwound);

/* Whether what any of them lay in came or went later than from_ns and not later than until_ns, of
 * what has gone since (gone_code.h). */
bool code__changed(const struct space *space, const struct unwound *unwound, uint64_t from_ns,
		   uint64_t until_ns);

#endif
