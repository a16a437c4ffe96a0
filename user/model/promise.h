/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names that are known later. When prctl names a range and the text's page is not in memory, the
 * ranges are given a late name at once, in the order of events:
 *
 *      range ──▶ late name ──▶ promise ──▶ the name, when it has been read
 *                     └──────▶ before:  what the range was called until then
 *
 * From there on the late name is a name like any other: it is taken away by later names and
 * mappings, moves with mremap, and is inherited at a fork. When the text has been read, the promise
 * is kept, and everybody who holds the name has it: also those the event did not speak of, and
 * also snapshots that are being read on other threads.
 *
 * A promise is kept once, by the model's thread. What it was kept with never changes.
 */
#ifndef MEMPROV_PROMISE_H
#define MEMPROV_PROMISE_H

#include "model/ledger.h"

struct promise;

/* With one reference; NULL when out of memory. trace: of the call that gave the name; it takes a
 * reference of its own. NULL: none was taken. */
struct promise *promise__new(struct trace *trace);
struct promise *promise__ref(struct promise *promise);
void promise__unref(struct promise *promise); /* accepts NULL */

struct trace *promise__trace(const struct promise *promise); /* borrowed; NULL: none */

/* Keeps it: with a name (a reference is taken), with NULL for none, or, when the kernel could not
 * read the text either, with what was there before. */
void promise__keep(struct promise *promise, struct name *name);
void promise__keep_before(struct promise *promise);

/* What a range is called now; NULL: nothing, and for names that are waited for, what it was called
 * before. Borrowed: lives as long as `name`. Any thread. */
const struct name *name__now(const struct name *name);

/* The name without what is settled of it: itself, unless it is a late one whose promise has been
 * kept. Borrowed, likewise. */
struct name *name__settled(struct name *name);

/* Gives the ranges within [lo, hi) a late name, with the rules and errors of ledger__name(). */
int ledger__name_late(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi,
		      struct promise *promise, struct record *unknown, uint64_t now);

/* The promise for [lo, hi) has been kept: neighbours that have the same name now become one
 * again, and what nothing is known of, not even a name, goes. 0 or -ENOMEM. */
int ledger__settle_names(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi);

/* True when a name of it is waited for. Any thread. */
bool ledger__awaits_names(const struct ledger *ledger);

#endif
