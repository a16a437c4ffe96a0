// SPDX-License-Identifier: BSD-2-Clause
#include "report/take.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/owner.h"
#include "proc/cgroup.h"
#include "proc/nspid.h"
#include "proc/thp.h"
#include "reconcile/largest.h"
#include "report/container.h"
#include "report/group.h"
#include "report/observer.h"
#include "report/processes.h"
#include "report/profile_rows.h"
#include "report/runtime.h"
#include "report/sites.h"
#include "report/snapshot.h"
#include "report/summary.h"
#include "report/touch_sites.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/cleanup.h"
#include "util/clock.h"

struct taker *taker__new(const struct taker_config *config)
{
	struct taker *taker = calloc(1, sizeof(*taker));

	if (!taker)
		return NULL;
	taker->config = *config;
	taker->page_size = sysconf(_SC_PAGESIZE);
	taker->faults_bring_several = thp__has_several_sizes(THP_DIR);
	taker->files = file_cache__new();
	if (!taker->files) {
		free(taker);
		return NULL;
	}
	return taker;
}

void taker__free(struct taker *taker)
{
	if (!taker)
		return;
	file_cache__free(taker->files);
	free(taker);
}

static void fill_tracing(struct report *report, const struct snapshot *s)
{
	static const enum tracing_state states[] = {
		[KNOWS_ALL] = TRACING_COMPLETE,
		[KNOWS_SINCE_ATTACH] = TRACING_SINCE_ATTACH,
		[KNOWS_RESYNCED] = TRACING_RESYNCED,
	};
	const struct taker_config *config = &s->config->taker->config;
	const struct owner *on = config->owner;

	report->tracing.backend = on ? attach_by__name(owner__attached_by(on)) : "none";
	report->tracing.state = TRACING_OFF;
	if (!on)
		report->tracing.why_off = config->why_off;
	if (!s->traced)
		return;
	report->tracing.state = states[s->view.knowledge];
	report->tracing.since = clock__boot_to_wall(s->view.since_ns);
	report->tracing.lost_events = s->view.lost_events;
}

static int fill_touch(struct report *report, const struct taker_config *config)
{
	static const enum touch_report_state states[] = {
		[TOUCH_OFF] = TOUCH_REPORT_OFF,
		[TOUCH_ON] = TOUCH_REPORT_ON,
		[TOUCH_UNSUPPORTED] = TOUCH_REPORT_UNSUPPORTED,
	};
	struct report_touch *touch = &report->touch;

	if (!config->owner)
		return 0;
	touch->state = states[owner__touch_state(config->owner)];
	if (touch->state == TOUCH_REPORT_ON)
		touch->since = clock__boot_to_wall(owner__attached_ns(config->owner));
	touch->why_not = arena__strdup(report->strings, owner__why_no_touch(config->owner));
	return touch->why_not ? 0 : -ENOMEM;
}

static int fill_cgroup(struct report *report, int pidfd)
{
	_cleanup_free_ struct cgroup *cgroup = malloc(sizeof(*cgroup));
	struct report_cgroup *row = arena__alloc(report->strings, sizeof(*row));

	if (!cgroup || !row)
		return -ENOMEM;
	if (cgroup__read(pidfd, cgroup))
		return 0; /* none, or not to be read: null */
	row->path = arena__strdup(report->strings, cgroup->path);
	row->current = cgroup->current;
	row->limit = cgroup->limit;
	row->working_set = cgroup->working_set;
	report->cgroup = row;
	return row->path ? 0 : -ENOMEM;
}

/* Takes them over; the `shown` largest come first. */
static int fill_regions(struct report *report, struct part_list *parts, size_t shown)
{
	if (!parts->n)
		return 0;
	if (arena__adopt(report->strings, parts->parts))
		return -ENOMEM;
	report->regions = take_ptr(parts->parts);
	report->n_regions = parts->n;
	parts->n = parts->cap = 0;
	return parts__move_largest(report->regions, report->n_regions, shown);
}

static int fill_process(struct report *report, const struct snapshot *s)
{
	struct summary *summary = summary__new();
	int err = summary ? snapshot__summarise(s, summary) : -ENOMEM;

	report->pid = s->pid;
	report->start_time = clock__boot_to_wall(s->stat.start_ticks * NSEC_PER_TICK);
	report->comm = arena__strdup(report->strings, s->stat.comm);
	report->exe = s->exe[0] ? arena__strdup(report->strings, s->exe) : NULL;
	report->runtime = runtime__recognise(&s->set, s->exe[0] ? s->exe : NULL, s->exe_is_go);
	report->racing = s->racing || s->names_missing;
	fill_tracing(report, s);
	if (!err && (!report->comm || (s->exe[0] && !report->exe)))
		err = -ENOMEM;
	if (!err)
		err = summary__fill(summary, report);
	summary__free(summary);
	return err;
}

static int add_sites(struct sites *sites, const struct snapshot *s)
{
	return sites__add(sites, s->parts.parts, s->parts.n, s->traced ? s->view.uses : NULL,
			  s->traced ? s->view.n_uses : 0);
}

/* The report keeps what report__settle() will ask for. */
static int keep_for_later(struct report *report, struct snapshot *s)
{
	for (size_t i = 0; i < report->n_regions; i++) {
		trace__ref(report->regions[i].trace);
		trace__ref(report->regions[i].name_trace);
		trace__ref(report->regions[i].reservation);
	}
	if (s->traced) {
		report->uses = take_ptr(s->view.uses);
		report->n_uses = s->view.n_uses;
	}
	if (s->touches.n) {
		if (arena__adopt(report->strings, s->touches.samples))
			return -ENOMEM;
		report->touch.list = take_ptr(s->touches.samples);
		report->touch.n_list = s->touches.n;
		s->touches.n = 0;
		for (size_t i = 0; i < report->touch.n_list; i++)
			trace__ref(report->touch.list[i].trace);
	}
	report->binary = arena__strdup(report->strings, s->binary);
	return report->binary ? 0 : -ENOMEM;
}

int taker__process(struct taker *taker, pid_t pid, struct detail detail,
		   const struct caller *caller, struct visitor *visitor, struct report **ret)
{
	struct report *report = report__new();
	struct patience patience = PATIENCE_OF_A_REPORT;
	struct snapshot_config config = {
		.taker = taker,
		.caller = caller,
		.visitor = visitor,
		.reading = READING_OF_ONE(detail),
		.patience = &patience,
	};
	struct snapshot s;
	int err;

	if (taker->config.stacks_later)
		patience.stacks_ns = 0;
	if (!report)
		return -ENOMEM;
	report->taken_at = clock__wall_ns();
	config.report = report;
	err = snapshot__take(&s, pid, &config);
	if (!err)
		err = fill_process(report, &s);
	if (!err)
		err = fill_regions(report, &s.parts, detail.regions);
	if (!err)
		err = keep_for_later(report, &s);
	if (!err)
		err = sites__fill_process(report);
	if (!err)
		err = touch_sites__fill_process(report);
	if (!err)
		err = fill_touch(report, &taker->config);
	if (!err)
		err = fill_cgroup(report, s.pidfd);
	if (!err)
		err = report_container__of_process(s.pidfd, taker->config.pod_logs, report->strings,
						   &report->container);
	if (!err)
		observer__observe(taker->config.observer, &s, report);
	snapshot__free(&s);
	if (err)
		report__free(report);
	else
		*ret = report;
	return err;
}

/* A node report is summed while processes are read one after another; of each, only its row
 * stays. */
struct node {
	struct taker *taker;
	struct group *group; /* NULL: all processes */
	size_t refused;	     /* not to be read by this caller */
	size_t hung;	     /* that no thread can read */
	struct snapshot_config config;
	struct report *report;
	struct summary *summary;
	struct sites *sites;
	struct touch_sites *touch_sites;
	struct profile_rows *profile_rows; /* NULL: not wanted */
	struct process_row *rows;
	size_t n;
	size_t cap;
};

static int add_row(struct node *node, const struct report *process, const struct snapshot *s)
{
	struct process_row *row;

	if (array__grow(&node->rows, &node->cap, node->n, sizeof(*node->rows)))
		return -ENOMEM;
	row = &node->rows[node->n];
	*row = (struct process_row){
		.pid = process->pid,
		.comm = process->comm,
		.rss = process->totals.rss,
		.pss = process->totals.pss,
		.swap = process->totals.swap,
		.kinds = process->totals.kinds,
		.sampled_at = clock__boot_to_wall(s->began_ns),
		.start_ticks = s->stat.start_ticks,
		.exec_space = s->traced ? s->view.exec_space : 0,
		.named = process->named,
		.n_named = process->n_named,
	};
	row->pss_sampled_at = row->sampled_at;
	for (int group = 0; group < CATEGORY_GROUPS; group++)
		row->by_category_group[group] = report__group_bytes(process, group);
	node->n++;
	return process_row__own(row, s->pidfd, node->taker->config.pod_logs, node->report->strings);
}

struct touched_rows {
	struct profile_rows *rows;
	const struct profile_process *process;
};

static int add_touched_row(const struct part *part, const struct touch_share *share, void *ctx)
{
	const struct touched_rows *touched = ctx;

	return profile_rows__add_touched(touched->rows, touched->process, share->site, share->rss);
}

/* The call sites are the report's, too. */
static int add_profile_rows(struct node *node, const struct process_row *row,
			    const struct snapshot *s)
{
	const struct profile_process process = {row->pid, row->comm, row->container};
	struct touched_rows touched = {node->profile_rows, &process};
	int err = profile_rows__add(node->profile_rows, &process, s->parts.parts, s->parts.n);

	return err
		       ?: touched__share_out(s->parts.parts, s->parts.n, &s->touches,
					     node->taker->page_size, add_touched_row, &touched);
}

static int sum_process(struct node *node, struct report *process, const struct snapshot *s)
{
	int err = 1;

	/* Its number may be another's by now. */
	if (node->group)
		err = group__count(node->group, s);
	if (err <= 0)
		return err;
	err = fill_process(process, s);
	if (!err)
		err = snapshot__summarise(s, node->summary);
	if (!err)
		err = add_sites(node->sites, s);
	if (!err)
		err = touch_sites__add(node->touch_sites, s->parts.parts, s->parts.n, &s->touches);
	if (!err)
		err = add_row(node, process, s);
	if (!err && node->profile_rows)
		err = add_profile_rows(node, &node->rows[node->n - 1], s);
	return err;
}

/* What is wrong with one process is no reason to say nothing of the others. */
static int add_process(pid_t pid, void *ctx)
{
	struct node *node = ctx;
	struct report *process = report__new();
	struct snapshot s;
	int err;

	if (!process)
		return -ENOMEM;
	node->config.report = process;
	err = snapshot__take(&s, pid, &node->config);
	if (!err)
		err = sum_process(node, process, &s);
	if (err == -ESRCH || err == -EIDRM) { /* a kernel thread or a zombie, or gone */
		err = 0;
	} else if (err && err != -ENOMEM && err != -ECANCELED) {
		node->report->unreadable_processes++;
		node->refused += err == -EACCES || err == -EPERM;
		node->hung += err == -ETIMEDOUT || err == -EUSERS;
		err = 0;
	}
	snapshot__free(&s);
	report__free(process);
	return err;
}

static void fill_node_tracing(struct report *report, const struct taker_config *config)
{
	struct owner_stats stats;

	report->tracing.backend = "none";
	report->tracing.why_off = config->why_off;
	if (!config->owner)
		return;
	owner__stats(config->owner, &stats);
	report->tracing.state = TRACING_SINCE_ATTACH;
	report->tracing.since = clock__boot_to_wall(stats.model.attached_ns);
	report->tracing.backend = attach_by__name(owner__attached_by(config->owner));
	report->tracing.lost_events = stats.collector.lost[MP_LOSS_RING_FULL] +
				      stats.collector.lost[MP_LOSS_PREEMPTED] +
				      stats.collector.lost[MP_LOSS_THROTTLED];
	report->tracing.why_off = NULL;
}

static int fill_profile_rows(struct report *report, const struct profile_rows *profile_rows)
{
	struct profile_row *rows;
	int err = profile_rows__rows(profile_rows, &rows, &report->n_profile_rows);

	if (!err)
		report->profile_rows = rows;
	return err;
}

static int finish_node(struct node *node)
{
	struct report *report = node->report;
	int err = summary__fill(node->summary, report);

	if (!err)
		err = sites__fill(node->sites, report);
	if (!err)
		err = touch_sites__fill(node->touch_sites, report);
	if (!err)
		err = fill_touch(report, &node->taker->config);
	if (!err && node->profile_rows)
		err = fill_profile_rows(report, node->profile_rows);
	if (err)
		return err;
	report->processes = arena__alloc(report->strings, node->n * sizeof(*node->rows));
	if (!report->processes)
		return -ENOMEM;
	if (node->n)
		memcpy(report->processes, node->rows, node->n * sizeof(*node->rows));
	report->n_processes = node->n;
	processes__sort(report);
	return 0;
}

static int add_members(struct node *node)
{
	int err = 0;

	for (size_t i = 0; !err && i < node->group->n; i++)
		err = add_process(node->group->members[i], node);
	if (!err && !node->n)
		err = node->refused ? -EACCES : node->hung ? -ETIMEDOUT : -ESRCH;
	return err ? err : group__fill(node->group, node->report);
}

static int take_many(struct taker *taker, struct group *group, bool profile,
		     const struct caller *caller, struct visitor *visitor, struct report **ret)
{
	struct patience patience = PATIENCE_OF_A_REPORT;
	struct node node = {
		.taker = taker,
		.group = group,
		.config =
			{
				.taker = taker,
				.caller = caller,
				.visitor = visitor,
				.reading = READING_OF_MANY,
				.patience = &patience,
			},
		.report = report__new(),
		.summary = summary__new(),
		.sites = sites__new(),
		.touch_sites = touch_sites__new(taker->page_size),
	};
	int err = node.report && node.summary && node.sites && node.touch_sites ? 0 : -ENOMEM;

	if (!err && profile) {
		node.profile_rows = profile_rows__new(node.report->strings);
		err = node.profile_rows ? 0 : -ENOMEM;
	}
	if (!err) {
		node.report->taken_at = clock__wall_ns();
		fill_node_tracing(node.report, &taker->config);
		err = group ? add_members(&node)
			    : procfs__each(taker->config.proc, add_process, &node);
	}
	if (!err)
		err = finish_node(&node);
	free(node.rows);
	summary__free(node.summary);
	sites__free(node.sites);
	touch_sites__free(node.touch_sites);
	profile_rows__free(node.profile_rows);
	if (err)
		report__free(node.report);
	else
		*ret = node.report;
	return err;
}

int taker__node(struct taker *taker, const struct caller *caller, struct visitor *visitor,
		struct report **ret)
{
	return take_many(taker, NULL, false, caller, visitor, ret);
}

int taker__node_profile(struct taker *taker, const struct caller *caller, struct visitor *visitor,
			struct report **ret)
{
	return take_many(taker, NULL, true, caller, visitor, ret);
}

int taker__group(struct taker *taker, const struct selector *selector, bool profile,
		 const struct caller *caller, struct visitor *visitor, struct report **ret)
{
	_cleanup_(group__free) struct group group;
	int err = group__find(&group, selector, taker->config.pod_logs, taker->config.proc, caller);

	return err ? err : take_many(taker, &group, profile, caller, visitor, ret);
}

int taker__nspid(struct taker *taker, const struct selector *selector, pid_t wanted,
		 const struct caller *caller, pid_t *ret)
{
	_cleanup_(group__free) struct group group;
	size_t best = SIZE_MAX;
	int err = group__find(&group, selector, taker->config.pod_logs, taker->config.proc, caller);

	if (err)
		return err;
	err = -ESRCH;
	for (size_t i = 0; i < group.n; i++) {
		_cleanup_close_ int pidfd = procfs__open(taker->config.proc, group.members[i]);
		struct nspid nspid;

		if (pidfd < 0 || nspid__read(pidfd, &nspid) || nspid.pid != wanted ||
		    nspid.depth > best)
			continue;
		err = nspid.depth == best ? -ENOTUNIQ : 0;
		best = nspid.depth;
		*ret = group.members[i];
	}
	return err;
}
