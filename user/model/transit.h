/* SPDX-License-Identifier: BSD-2-Clause */
/* mremap calls that have begun and not ended. */
#ifndef MEMPROV_TRANSIT_H
#define MEMPROV_TRANSIT_H

#include "model/ledger.h"
#include "model/touches.h"

/* The ledger, and the samples of touches, as an mremap found them: by the time the call has ended,
 * another thread may have mapped the addresses that it moved away from. */
struct transit {
	struct transit *next;
	uint32_t tid;
	uint64_t began_ns;
	struct ledger ledger;
	struct touches touches;
};

/* 0 or -ENOMEM. */
int transits__begin(struct transit **transits, const struct ledger *ledger,
		    const struct touches *touches, const struct mp_event_head *head);

/* That thread's, taken out of the list: the caller frees it and what it holds. NULL: it has none.
 */
struct transit *transits__end(struct transit **transits, uint32_t tid);

void transits__free(struct transit **transits);

#endif
