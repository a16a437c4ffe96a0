/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processes of a container or of a pod: first the list of them, by their cgroups alone; then,
 * while the reports of the members are summed, what the cgroup says of them together.
 */
#ifndef MEMPROV_GROUP_H
#define MEMPROV_GROUP_H

#include "proc/cgroup.h"
#include "proc/rollup.h"
#include "report/container.h"
#include "report/caller.h"
#include "report/report.h"
#include "report/taker.h"

struct snapshot;

struct group {
	const struct selector *selector;
	struct pod_logs *logs;
	const char *proc;
	const struct caller *caller;
	pid_t *members;
	size_t n, cap;
	struct container container; /* of the first member */
	struct cgroup cgroup;	    /* whose path is the group's; "": not known */
	struct rollup sums;	    /* of the members that were counted */
};

/* Lists the members that the caller may read: others might as well not exist, so that no answer
 * reveals them. group__free in any case. 0, -ESRCH when there are none,
 * -ENOTUNIQ when several containers' ids begin so, or why procfs cannot be listed. */
int group__find(struct group *group, const struct selector *selector, struct pod_logs *logs,
		const char *proc, const struct caller *caller);
void group__free(struct group *group);

/* 1: the process is (still) a member, and what was taken; its memory counts for the bridge. 0: it
 * is not. Or what visitor__enter() said. */
int group__count(struct group *group, const struct snapshot *snapshot);

/* Fills the report's container and cgroup. 0 or -ENOMEM. */
int group__fill(struct group *group, struct report *report);

#endif
