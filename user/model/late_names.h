/* SPDX-License-Identifier: BSD-2-Clause */
/* What names that are known later (name.h) do to a ledger. */
#ifndef MEMPROV_LATE_NAMES_H
#define MEMPROV_LATE_NAMES_H

#include "model/ledger.h"

/* Gives the ranges within [lo, hi) a late name, with the rules and errors of ledger__name(). */
int ledger__name_late(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi,
		      struct promise *promise, struct record *unknown, uint64_t now);

/* The promise for [lo, hi) has been kept: neighbours that have the same name now become one
 * again, and what nothing is known of, not even a name, goes. 0 or -ENOMEM. */
int ledger__settle_names(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi);

/* True when a name of it is waited for. Any thread. */
bool ledger__awaits_names(const struct ledger *ledger);

#endif
