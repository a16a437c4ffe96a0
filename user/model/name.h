/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ranges are called. A name never changes once made, but for those that are known later;
 * counts of references are atomic, because snapshots are let go on other threads.
 *
 * Names that are known later: when prctl names a range and the text's page is not in memory, the
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
#ifndef MEMPROV_NAME_H
#define MEMPROV_NAME_H

#include <stdbool.h>

#include "model/callsite.h"

/* What a range is called, and by whom. */
enum named_by {
	NAMED_BY_PRCTL, /* the text is the program's */
	NAMED_BY_CLONE, /* it is a thread's stack; the text is "COMM/TID" */
};

struct name {
	unsigned refs;
	enum named_by by;
	struct trace *trace; /* of the call that named it; NULL: none was taken */
	/* Of a name that is known later; NULL for the others. */
	struct promise *promise;
	struct name *before;
	unsigned n_before;
	char text[];
};

/* NULL when out of memory. trace may be NULL; it takes a reference of its own. */
struct name *name__new(enum named_by by, const char *text, struct trace *trace);
struct name *name__ref(struct name *name); /* accepts NULL */
void name__unref(struct name *name);	   /* accepts NULL */

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

/* True when it is not known yet what it will be. Any thread. */
bool name__is_awaited(const struct name *name);

/* A name that is what the promise is kept with; before: what the range is called until then. NULL
 * when out of memory. */
struct name *name__new_late(struct promise *promise, struct name *before);

#endif
