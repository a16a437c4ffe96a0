/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory cgroups of the node, as far as what is mounted for us shows them. */
#ifndef MEMPROV_CGROUP_TREE_H
#define MEMPROV_CGROUP_TREE_H

#include <stdbool.h>
#include <sys/types.h>

#define CGROUP_TREE_DEPTH 24 /* deeper ones are passed over */

/* One cgroup: its path, and its directory, open until the return. */
typedef void cgroup_tree_fn(const char *path, int dirfd, void *ctx);

/* Visits the hierarchy that has the memory controller, v1 if there is one, from the root down, each
 * before those below it, and says which it was in *ret_v1. 0, or -errno when none can be seen. */
int cgroup_tree__each(cgroup_tree_fn *visit, void *ctx, bool *ret_v1);

/* Every process of a cgroup and of those below it, as the PID namespace of our own /proc numbers
 * them. */
void cgroup_tree__each_process(int dirfd, void (*visit)(pid_t pid, void *ctx), void *ctx);

#endif
