/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading ahead: while one thread makes sense of a text, another has the kernel write what follows.
 * For the smaps of large processes, which takes the kernel several times as long as it takes us.
 *
 * There is one such thread, for one text at a time: who finds it taken reads by himself.
 */
#ifndef MEMPROV_AHEAD_H
#define MEMPROV_AHEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct ahead;

/* Starts the thread. NULL when it cannot be had, or when out of memory. */
struct ahead *ahead__new(void);
void ahead__free(struct ahead *ahead); /* accepts NULL; while nobody reads */

/*
 * Reads fd from where it is to its end, and gives its bytes to `use`, in order and on the caller's
 * thread, until that returns something other than 0. When *stop becomes true, it gives up between
 * two reads (stop may be NULL). 0, what `use` returned, -ECANCELED, or why it cannot be read;
 * -EBUSY: the thread is taken, and nothing has been read. fd is the caller's again when it returns.
 */
int ahead__read(struct ahead *ahead, int fd, const atomic_bool *stop,
		int (*use)(void *ctx, const char *text, size_t len), void *ctx);

#endif
