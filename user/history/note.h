/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer is told of a process at one moment, small enough to wait in a queue. */
#ifndef MEMPROV_HISTORY_NOTE_H
#define MEMPROV_HISTORY_NOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "history/schema.h"
#include "report/observer.h"

/* Of each kind of share, so many of the largest are kept: of a process, and of what is summed. */
#define NOTE_SHARES_MAX 64

struct callsite;

struct note_share {
	enum share_of of;
	struct callsite *site; /* a reference; or */
	const char *text;      /* the note's; or */
	int64_t what;	       /* enum share_total */
	int64_t rss;
};

/* Of a process that is there. */
struct note_body {
	bool exact;	  /* of a report: smaller changes count, too */
	uint64_t started; /* wall clock, ns */
	const char *comm; /* texts are the note's; NULL: not known */
	const char *container, *runtime, *namespace, *pod, *name, *pod_uid;
	struct observed_owner owner;
	int64_t amounts[AMOUNTS];
	size_t n;
	struct note_share *shares;
	struct arena *texts;
};

struct note {
	TAILQ_ENTRY(note) entry;
	pid_t pid;
	uint64_t start_ticks;
	uint64_t taken_ns;	/* CLOCK_BOOTTIME */
	size_t bytes;		/* that it takes */
	struct note_body *body; /* NULL: it has gone */
};
TAILQ_HEAD(note_list, note);

/* NULL when out of memory. */
struct note *note__new(const struct observation *observation);
struct note *note__gone(pid_t pid, uint64_t start_ticks);
void note__free(struct note *note); /* accepts NULL */

#endif
