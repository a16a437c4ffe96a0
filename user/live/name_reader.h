/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads late names (model/name.h) from the process, as soon as the event arrives. Reading faults
 * the page in and may block, for ever if it is a file on a dead server. So a few threads do only
 * this, at most one in each process, and stopping them does not wait for one that is stuck.
 *
 * Each process has a queue, and the queues are served in turn, some names at a time. So a process
 * that gives names faster than they can be read loses its own: those beyond a bound per process,
 * and, when all of them together are too many, those of the process that has most waiting. What is
 * lost is said to be (model__name_was_lost).
 */
#ifndef MEMPROV_NAME_READER_H
#define MEMPROV_NAME_READER_H

#include "live/owner.h"

struct name_reader;

/* proc must outlive it. NULL when out of memory. */
struct name_reader *name_reader__new(const char *proc);
void name_reader__free(struct name_reader *reader); /* accepts NULL; after name_reader__stop */

/* Begins to answer through the owner; 0 or -errno. stop ends that, before the owner is freed:
 * nothing is asked of the owner afterwards, also not by a thread that is stuck. */
int name_reader__start(struct name_reader *reader, struct owner *owner);
void name_reader__stop(struct name_reader *reader);

/* The model's on_late_name, with the reader as ctx. */
bool name_reader__take(struct model *model, const struct late_name *name, void *reader);

#endif
