// SPDX-License-Identifier: BSD-2-Clause
#include "report/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/crew.h"
#include "proc/pod_logs.h"
#include "proc/procfs.h"
#include "report/cgroup.h"
#include "report/snapshot.h"
#include "util/arena.h"
#include "util/cleanup.h"

static bool is_of_pod(const struct group *group, const struct container *container)
{
	struct pod_names names;

	return group->logs && pod_logs__find(group->logs, container, &names) &&
	       !strcmp(names.namespace, group->selector->namespace) &&
	       !strcmp(names.pod, group->selector->pod);
}

static bool is_member(const struct group *group, const struct container *container)
{
	const char *id = group->selector->container;

	if (!id)
		return is_of_pod(group, container);
	return container->id[0] && !strncmp(container->id, id, strlen(id)) &&
	       (!group->n || (!strcmp(container->id, group->container.id) &&
			      container->delegated == group->container.delegated));
}

/* By the container's part of the process's path: it may have made cgroups of its own below. */
static void set_cgroup(struct group *group, int pidfd)
{
	_cleanup_free_ struct cgroup *cgroup = malloc(sizeof(*cgroup));
	struct container container;
	size_t len;

	if (!cgroup || cgroup__read(pidfd, cgroup) ||
	    container__parse(cgroup->path, strlen(cgroup->path), &container))
		return;
	len = group->selector->container ? container.id_len : container.pod_len;
	cgroup->path[len] = '\0';
	group->cgroup = *cgroup;
}

static int add_member(struct group *group, pid_t pid, int pidfd, const struct container *container)
{
	if (group->n == group->cap) {
		size_t cap = group->cap ? group->cap * 2 : 64;
		pid_t *more = reallocarray(group->members, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		group->members = more;
		group->cap = cap;
	}
	if (!group->n) {
		group->container = *container;
		set_cgroup(group, pidfd);
	}
	group->members[group->n++] = pid;
	return 0;
}

static int visit(pid_t pid, void *ctx)
{
	struct group *group = ctx;
	_cleanup_close_ int pidfd = procfs__open(group->proc, pid);
	const char *id = group->selector->container;
	struct container container;
	bool member;

	if (pidfd < 0 || container__of_process(pidfd, &container))
		return 0;
	member = is_member(group, &container);
	if (!member && (!id || !group->n || strncmp(container.id, id, strlen(id))))
		return 0;
	if (!caller__may_read(group->caller, pidfd))
		return 0;
	if (member)
		return add_member(group, pid, pidfd, &container);
	/* What a user calls theirs is no reason to doubt what the runtime calls its own. */
	if (container.delegated)
		return 0;
	if (!group->container.delegated)
		return -ENOTUNIQ;
	group->n = 0;
	return add_member(group, pid, pidfd, &container);
}

int group__find(struct group *group, const struct selector *selector, struct pod_logs *logs,
		const char *proc, const struct caller *caller)
{
	int err;

	memset(group, 0, sizeof(*group));
	group->selector = selector;
	group->logs = logs;
	group->proc = proc;
	group->caller = caller;
	err = procfs__each(proc, visit, group);
	return err ? err : group->n ? 0 : -ESRCH;
}

void group__free(struct group *group)
{
	free(group->members);
}

int group__count(struct group *group, const struct snapshot *snapshot)
{
	struct visitor *visitor = snapshot->config->visitor;
	struct container container;
	struct rollup rollup;
	int err, unread;

	if (container__of_process(snapshot->pidfd, &container) || !is_member(group, &container))
		return 0;
	err = visitor__enter(visitor, snapshot->pid);
	if (err)
		return err;
	unread = rollup__read(snapshot->pidfd, &rollup);
	visitor__leave(visitor);
	err = snapshot__check(snapshot);
	if (err)
		return err == -EACCES || err == -EIDRM ? 0 : err;
	if (!unread) {
		group->sums.pss += rollup.pss;
		group->sums.anonymous += rollup.anonymous;
		group->sums.file += rollup.file;
		group->sums.shmem += rollup.shmem;
	}
	return 1;
}

static int fill_cgroup(struct group *group, struct report *report)
{
	struct report_cgroup *row = arena__alloc(report->strings, sizeof(*row));
	struct report_bridge *bridge = arena__alloc(report->strings, sizeof(*bridge));
	struct cgroup_stat stat;

	if (!row || !bridge)
		return -ENOMEM;
	cgroup__read_all(&group->cgroup, &stat);
	row->path = arena__strdup(report->strings, group->cgroup.path);
	row->current = group->cgroup.current;
	row->limit = group->cgroup.limit;
	row->working_set = group->cgroup.working_set;
	if (report_bridge__compute(&group->sums, &stat, row->current, bridge))
		row->bridge = bridge;
	report->cgroup = row;
	return row->path ? 0 : -ENOMEM;
}

int group__fill(struct group *group, struct report *report)
{
	struct container container = group->container;

	/* Of a pod with several containers, what they have in common. */
	if (!group->selector->container) {
		container.id[0] = '\0';
		container.runtime = NULL;
	}
	if (report_container__new(&container, group->logs, report->strings, &report->container))
		return -ENOMEM;
	return group->cgroup.path[0] ? fill_cgroup(group, report) : 0;
}
