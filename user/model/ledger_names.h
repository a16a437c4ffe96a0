/* SPDX-License-Identifier: BSD-2-Clause */
/* Names in a ledger, late ones (name.h) too. */
#ifndef MEMPROV_LEDGER_NAMES_H
#define MEMPROV_LEDGER_NAMES_H

#include "model/ledger.h"

/* What a call names, and how. */
struct ledger_naming {
	uint64_t lo;
	uint64_t hi;
	uint64_t now;		/* ranges that were mapped or named later stay as they are */
	struct record *unknown; /* for where nothing is known; NULL: that gets no name */
	struct name *name;	/* NULL: the ranges have none from here on, or a late one */
	struct late_text *late; /* of late names, which they get; NULL: no late ones */
};

int ledger__name(struct ledger *ledger, struct ledger_pool *pool,
		 const struct ledger_naming *naming);

/* The text for [lo, hi) is known: neighbours that have the same name now become one again, and
 * what nothing is known of, not even a name, goes. 0 or -ENOMEM. */
int ledger__join_late_names(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo,
			    uint64_t hi);

/* True when the text of one is not known yet. Any thread. */
bool ledger__has_late_names(const struct ledger *ledger);

#endif
