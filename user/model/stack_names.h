/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of threads' stacks. A program that starts a thread gives clone a stack; the ledger's range
 * there gets the name "COMM/TID", by NAMED_BY_CLONE, and a new one when the thread is renamed. It
 * is kept until the memory goes or another thread gets it: glibc keeps stacks of dead threads for
 * the next one.
 *
 * A name that the program itself gave (prctl) stays. What is not plainly a stack is not called
 * one: clone3 tells where a stack lies, while clone tells only where it begins, and Go's lie within
 * its heap; so without bounds, the mapping must have been made for a stack (MAP_STACK).
 */
#ifndef MEMPROV_STACK_NAMES_H
#define MEMPROV_STACK_NAMES_H

#include "model/space.h"

/* Threads of one space whose stacks are followed; further ones are not named. */
#define THREAD_STACKS_MAX 16384

/* 0, -ENOSPC, -ENOMEM, or an error of ledger.h. */
int stack_names__begin(struct space *space, const struct mp_event_thread *e);
int stack_names__rename(struct space *space, uint32_t tid, const char *comm, uint64_t when);

/* The same for a thread that was there before us, whose stack was found at [lo, hi). Ranges that
 * were touched after `when` are not it. */
int stack_names__found(struct space *space, uint32_t tid, const char *comm, uint64_t lo,
		       uint64_t hi, uint64_t when);

#endif
