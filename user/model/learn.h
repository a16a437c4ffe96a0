/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reading of /proc/PID/maps teaches the ledger of a space. */
#ifndef MEMPROV_LEARN_H
#define MEMPROV_LEARN_H

#include "model/space.h"
#include "proc/vma.h"

/* What is in the ledger (or a sample of a touch), not mapped, and was last touched before the
 * reading began goes. True when there was any that had been seen to be mapped: a name that was
 * given to a hole is no mistake. */
bool learn__drop_unmapped(struct space *space, const struct vma_set *maps, uint64_t began_ns);

/* What is mapped and not in the ledger gets the record. 0 or an error of ledger.h. */
int learn__take_in(struct space *space, const struct vma_set *maps, struct record *record,
		   uint64_t began_ns);

/* Where the heap ends: HEAP_END_*, or an address. */
uint64_t learn__heap_end(const struct vma_set *maps);

#endif
