/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sweep of /proc: once at the start, to pick up the processes that were there before us, and
 * every few seconds, to notice what lost events would have told: new processes, and dead ones.
 */
#ifndef MEMPROV_SWEEP_H
#define MEMPROV_SWEEP_H

#include "live/owner.h"

struct crew;
struct sweeper;
struct visitor;

/* proc and owner must outlive it. A thread of the crew begins; 0 or -errno. */
int sweeper__new(const char *proc, struct owner *owner, struct crew *crew, struct sweeper **ret);
void sweeper__free(struct sweeper *sweeper); /* behind the crew's end; accepts NULL */

/* True when the first sweep is through. Any thread. */
bool sweeper__ready(const struct sweeper *sweeper);

/* Picks up one process now, on the calling thread (visitor may be NULL): 0, or why it cannot be
 * read. -ESRCH for kernel threads and zombies too. */
int sweep__process(const char *proc, struct owner *owner, struct visitor *visitor, pid_t pid);

#endif
