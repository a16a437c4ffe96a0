/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames, each kept once with its strings: the stacks of a node have few different ones (its
 * programs' places that make calls), and very many in all. Two are the same when their addresses
 * are.
 */
#ifndef MEMPROV_FRAME_TABLE_H
#define MEMPROV_FRAME_TABLE_H

#include "wire/frame.h"

/* Not thread-safe; but what was given out may be let go on any thread, and outlives the table. */
struct frame_table;
struct frame_table *frame_table__new(void);	   /* NULL when out of memory */
void frame_table__free(struct frame_table *table); /* accepts NULL */

/* The kept frame, with a reference for the caller; NULL when out of memory. Its ip is 0: the same
 * library lies elsewhere in another process. */
const struct frame *frame_table__intern(struct frame_table *table, const struct frame *frame);
void frame_table__release(const struct frame *frame);

/* Of its content, the same in every run. */
uint64_t frame_table__hash(const struct frame *frame);

/* Lets go what only the table still holds. */
void frame_table__drop_unused(struct frame_table *table);

size_t frame_table__bytes(const struct frame_table *table);

#endif
