/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose a connection of this machine is, for quotas: a container, or else a user. Two containers
 * mostly run as the same user, root, and are strangers all the same. Cgroups that a user made for
 * itself are no containers (container.h), so making them gains nothing.
 *
 * The kernel tells the number of the cgroup in which a socket was made, and its directory has that
 * number as its inode: so the directories are listed when an unknown one comes, for at most a
 * twentieth of the time. Thread-safe.
 */
#ifndef MEMPROV_SOURCE_H
#define MEMPROV_SOURCE_H

#include <stdint.h>

#include "serve/peer.h"

struct sources;

struct sources *sources__new(void);	     /* NULL when out of memory */
void sources__free(struct sources *sources); /* accepts NULL */

/* Equal for all connections of one source; never the number of an address (address.h). */
uint64_t sources__of(struct sources *sources, const struct peer *peer);

/* Learns anew which cgroups there are below the directory; takes dirfd. */
void sources__list(struct sources *sources, int dirfd);

#endif
