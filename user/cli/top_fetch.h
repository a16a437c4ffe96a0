/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks a source in a thread of its own, so that keys are answered while a report is being taken. */
#ifndef MEMPROV_TOP_FETCH_H
#define MEMPROV_TOP_FETCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/buf.h"

struct options;
struct report_source;
struct fetcher;

struct fetched {
	pid_t pid;	  /* of the report; 0: the list of processes */
	int err;	  /* of report_source__get */
	struct buf body;  /* the taker's to free */
	struct buf error; /* the same */
};

/* Takes the source over, and the options must outlive it: 0 or -errno. Signals should be blocked.
 */
int fetcher__new(struct report_source *source, const struct options *options, struct fetcher **ret);

/* Ends what it is asking for; accepts NULL. */
void fetcher__free(struct fetcher *fetcher);

/* Asks for a process, or 0: the list. What was asked for before is still answered. */
void fetcher__ask(struct fetcher *fetcher, pid_t pid, bool kilobytes);

/* Readable when there is an answer to be taken. */
int fetcher__fd(const struct fetcher *fetcher);

/* The newest answer, if there is one. */
bool fetcher__take(struct fetcher *fetcher, struct fetched *ret);
void fetched__free(struct fetched *fetched);

#endif
