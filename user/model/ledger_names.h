/* SPDX-License-Identifier: BSD-2-Clause */
/* What late names (name.h) do to a ledger. */
#ifndef MEMPROV_LEDGER_NAMES_H
#define MEMPROV_LEDGER_NAMES_H

#include "model/ledger.h"

/* Gives the ranges within [lo, hi) a late name, with the rules and errors of ledger__name(). */
int ledger__name_late(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi,
		      struct late_text *late, struct record *unknown, uint64_t now);

/* The text for [lo, hi) is known: neighbours that have the same name now become one again, and
 * what nothing is known of, not even a name, goes. 0 or -ENOMEM. */
int ledger__join_late_names(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo,
			    uint64_t hi);

/* True when the text of one is not known yet. Any thread. */
bool ledger__has_late_names(const struct ledger *ledger);

#endif
