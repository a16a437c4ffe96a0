/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads names whose page was not in memory when prctl was called, from the process, as soon as
 * the event arrives. Reading faults the page in and may block (a file on a dead server), so it
 * has a thread of its own.
 */
#ifndef MEMPROV_NAMES_H
#define MEMPROV_NAMES_H

#include "model/owner.h"

struct name_reader;

/* proc must outlive it. NULL when out of memory. */
struct name_reader *name_reader__new(const char *proc);
void name_reader__free(struct name_reader *reader); /* accepts NULL; after name_reader__stop */

/* Begins to answer through the owner; 0 or -errno. stop ends that: before the owner is freed. */
int name_reader__start(struct name_reader *reader, struct owner *owner);
void name_reader__stop(struct name_reader *reader);

/* The model's on_cold_name, with the reader as ctx. */
bool name_reader__take(const struct cold_name *name, void *reader);

#endif
