/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines for connections. The time-out of libmicrohttpd starts anew with every byte, so a
 * client that sends (or takes) a byte now and then could hold a connection for ever. Here each
 * connection has a moment by which it must have moved on; behind it, its socket is shut down,
 * which the server's own thread then finds like any other hang-up.
 */
#ifndef MEMPROV_DEADLINE_H
#define MEMPROV_DEADLINE_H

#include <stdint.h>

struct deadline;
struct watched;

/* Starts the thread. 0 or -errno. */
int deadline__new(struct deadline **ret);
void deadline__free(struct deadline *deadline); /* nothing is watched any more; accepts NULL */

/* The socket is watched until deadline__drop(), which comes before it is closed. Without a
 * deadline at first. NULL when out of memory. */
struct watched *deadline__watch(struct deadline *deadline, int fd);
void deadline__drop(struct deadline *deadline, struct watched *watched);

/* From now on; 0: none. */
void deadline__set(struct deadline *deadline, struct watched *watched, uint64_t ns);

#endif
