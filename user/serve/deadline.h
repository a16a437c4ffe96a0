/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines for connections. The time-out of libmicrohttpd starts anew with every byte, so a
 * client that sends (or takes) a byte now and then could hold a connection for ever. Here each
 * connection has a moment by which it must have moved on; after that its socket is shut down, which
 * the server's own thread then finds like any other hang-up.
 *
 * Very many connections that wait at once would all have their time, and no further client could
 * come in. So the one that has waited the longest can be made to give way: one of the client that
 * has the most.
 */
#ifndef MEMPROV_DEADLINE_H
#define MEMPROV_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

struct deadline;
struct watched;

/* Starts the thread. 0 or -errno. */
int deadline__new(struct deadline **ret);
void deadline__free(struct deadline *deadline); /* nothing is watched any more; accepts NULL */

/* The socket is watched until deadline__drop(), which comes before it is closed. Without a
 * deadline at first. `crowd`: any pointer that the sockets of one listener have in common; source:
 * a number that those of one client have. NULL when out of memory. */
struct watched *deadline__watch(struct deadline *deadline, int fd, const void *crowd,
				uint64_t source);
uint64_t watched__source(const struct watched *watched);
void deadline__drop(struct deadline *deadline, struct watched *watched);

/* From now on; 0: none. */
void deadline__set(struct deadline *deadline, struct watched *watched, uint64_t ns);

/* If more than `most` of the crowd have a deadline, shuts down one of the source that has the most
 * of them: the one that has had its own for the longest. */
void deadline__make_room(struct deadline *deadline, const void *crowd, size_t most);

#endif
