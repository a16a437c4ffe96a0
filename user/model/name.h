/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ranges are called. A name never changes once made, but for late ones; counts of references
 * are atomic, because snapshots are let go on other threads.
 *
 * Late names: when prctl names a range and the text's page is not in memory, the ranges are given
 * a late name at once, in the order of events:
 *
 *      range ──▶ late name ──▶ late text ──▶ the name, when it has been read
 *                     └──────▶ before:  what the range was called until then
 *
 * From there on the late name is a name like any other: later names and mappings take it away, it
 * moves with mremap, and a fork inherits it. When the text has been read, it is set, and all ranges
 * with the name have it: also those that the event did not speak of, and also snapshots that other
 * threads are reading.
 *
 * The model's thread sets a text once. It never changes afterwards.
 */
#ifndef MEMPROV_NAME_H
#define MEMPROV_NAME_H

#include <stdbool.h>

#include "model/callsite.h"

/* By what call a range got its name. */
enum named_by {
	NAMED_BY_PRCTL, /* the text is the program's */
	NAMED_BY_CLONE, /* it is a thread's stack; the text is "COMM/TID" */
};

struct name {
	unsigned refs;
	enum named_by by;
	struct trace *trace; /* of the call that named it; NULL: none was taken */
	/* Of a late name; NULL for the others. */
	struct late_text *late;
	struct name *before;
	unsigned n_before;
	char text[];
};

/* NULL when out of memory. trace may be NULL; it takes a reference of its own. */
struct name *name__new(enum named_by by, const char *text, struct trace *trace);
struct name *name__ref(struct name *name); /* accepts NULL */
void name__unref(struct name *name);	   /* accepts NULL */

struct late_text;

/* With one reference; NULL when out of memory. trace: of the call that gave the name; it takes a
 * reference of its own. NULL: none was taken. */
struct late_text *late_text__new(struct trace *trace);
struct late_text *late_text__ref(struct late_text *late);
void late_text__unref(struct late_text *late); /* accepts NULL */

struct trace *late_text__trace(const struct late_text *late); /* borrowed; NULL: none */

/* Sets it: a name (a reference is taken), NULL for none, or, when the kernel could not read the
 * text either, what was there before. */
void late_text__set(struct late_text *late, struct name *name);
void late_text__set_unreadable(struct late_text *late);

/* What a range is called now; NULL: nothing, and while a late text is not known, what it was
 * called before. Borrowed: lives as long as `name`. Any thread. */
const struct name *name__now(const struct name *name);

/* The name behind late ones whose texts are known. Borrowed, likewise. */
struct name *name__resolved(struct name *name);

/* True when it is a late name whose text is not known yet. Any thread. */
bool name__is_late(const struct name *name);

/* A late name; before: what the range is called until its text is known. NULL when out of
 * memory. */
struct name *name__new_late(struct late_text *late, struct name *before);

#endif
