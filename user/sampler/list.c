// SPDX-License-Identifier: BSD-2-Clause
/* Lists of all processes, from samples that are as young as they need be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/owner.h"
#include "proc/crew.h"
#include "proc/memory.h"
#include "proc/program.h"
#include "report/processes.h"
#include "sampler/sampler_parts.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* The sample of a large process is not taken again, for a list, before it has become this many
 * times as old as it took: a list takes no more than 1 % of a target's time. */
#define SPACING 100

struct list {
	struct sampler *sampler;
	const struct caller *caller;
	struct visitor *visitor;     /* may be NULL */
	struct known_process *known; /* sorted by tgid */
	size_t n_known;
	struct report *report;
	struct process_row *rows;
	size_t n;
	size_t cap;
};

static bool has_changed(const struct list *list, const struct sample *sample, int pidfd)
{
	const struct known_process *known = known__find(list->known, list->n_known, sample->pid);
	struct proc_memory now;

	if (sample->unsettled || procfs__memory(pidfd, &now) || now.rss != sample->memory.rss ||
	    now.size != sample->memory.size)
		return true;
	return known &&
	       (known->space_id != sample->space_id || known->generation > sample->generation);
}

/* program: NULL for a caller that may read all that a process ever runs. */
static bool will_do(const struct list *list, const struct sample *sample, int pidfd,
		    const struct program *program)
{
	uint64_t age = clock__boot_ns() - sample->taken_ns;

	if (!sample->summed_ns || (program && sample->program != program->id))
		return false;
	return (sample->cost_ns > SAMPLE_LARGE_NS && age / SPACING < sample->cost_ns) ||
	       !has_changed(list, sample, pidfd);
}

/* A reference to a sample that is young enough. Errors as sample__take(). */
static int get(struct list *list, const struct proc_stat *stat, int pidfd,
	       const struct program *program, struct sample **ret)
{
	struct sample *sample = table__get(list->sampler->table, stat->pid, stat->start_ticks);
	int err = 0;

	if (sample && will_do(list, sample, pidfd, program)) {
		*ret = sample;
	} else {
		err = sampler__sample(list->sampler, stat->pid, RESIDENT_ANY_SIZE, sample,
				      list->visitor, ret);
		sample__unref(sample);
	}
	return err;
}

static int add_process(struct list *list, const struct proc_stat *stat, int pidfd,
		       const struct sample *sample)
{
	uint64_t boot_wall_ns = clock__boot_to_wall(0);
	struct report *report = list->report;
	struct process_row *row;

	if (array__grow(&list->rows, &list->cap, list->n, sizeof(*list->rows)))
		return -ENOMEM;
	row = &list->rows[list->n++];
	*row = (struct process_row){
		.pid = sample->pid,
		.start_ticks = sample->start_ticks,
		.exec_space = sample->exec_space,
		.comm = stat->comm,
		.rss = sample->rss,
		.pss = sample->pss,
		.swap = sample->swap,
		.kinds = sample->kinds,
		.sampled_at = boot_wall_ns + sample->taken_ns,
		.pss_sampled_at = sample->summed_ns ? boot_wall_ns + sample->summed_ns : 0,
		.named = sample->named,
		.n_named = sample->n_named,
	};
	memcpy(row->by_category_group, sample->by_category_group, sizeof(row->by_category_group));
	for (int coverage = 0; coverage < COVERAGES; coverage++)
		report->by_coverage[coverage] += sample->by_coverage[coverage];
	report->totals.rss += sample->rss;
	return process_row__own(row, pidfd, list->sampler->taker->config.pod_logs, report->strings);
}

static int check(const struct list *list, pid_t pid, int pidfd, const struct program *program)
{
	bool runs;
	int err;

	if (!caller__may_read(list->caller, pidfd))
		return -EIDRM;
	err = visitor__enter(list->visitor, pid);
	if (err)
		return err;
	runs = program__runs(program, pidfd);
	visitor__leave(list->visitor);
	return runs ? 0 : -EIDRM;
}

/* A sample of what the caller may read, and may still read when it is there: the sample may be of
 * another program, which the process ran when it was last sampled, or runs by now. */
static int get_theirs(struct list *list, const struct proc_stat *stat, int pidfd,
		      struct sample **ret)
{
	_cleanup_(program__close) struct program program = {.pagemap = -1};
	struct sample *sample;
	int err;

	if (!caller__may_read(list->caller, pidfd))
		return process__has_map(pidfd) ? -EACCES : -ESRCH;
	err = visitor__enter(list->visitor, stat->pid);
	if (err)
		return err;
	err = program__open(pidfd, &program);
	visitor__leave(list->visitor);
	if (err)
		return err;
	err = get(list, stat, pidfd, &program, &sample);
	if (err)
		return err;
	err = sample->program == program.id ? check(list, stat->pid, pidfd, &program) : -EIDRM;
	if (err)
		sample__unref(sample);
	else
		*ret = sample;
	return err;
}

static int try_process(struct list *list, pid_t pid)
{
	_cleanup_close_ int pidfd = procfs__open(list->sampler->taker->config.proc, pid);
	struct sample *sample;
	struct proc_stat stat;
	int err = pidfd < 0 ? pidfd : procfs__stat(pidfd, &stat);

	if (err)
		return err == -ENOENT ? -ESRCH : err;
	if (proc_stat__is_kernel_thread(&stat))
		return -ESRCH;
	err = list->caller->everything ? get(list, &stat, pidfd, NULL, &sample)
				       : get_theirs(list, &stat, pidfd, &sample);
	if (err)
		return err;
	table__mark(list->sampler->table, sample->pid, sample->start_ticks);
	err = add_process(list, &stat, pidfd, sample);
	sample__unref(sample);
	return err;
}

/* What is wrong with one process is no reason to say nothing of the others. */
static int visit(pid_t pid, void *ctx)
{
	struct list *list = ctx;
	int err = list->visitor && list->visitor->stop ? -ECANCELED : try_process(list, pid);

	if (err == -ENOMEM || err == -ECANCELED)
		return err;
	list->report->unreadable_processes += err && err != -ESRCH && err != -EIDRM;
	return 0;
}

static int fill(struct list *list)
{
	const struct taker_config *config = &list->sampler->taker->config;
	struct table *table = list->sampler->table;
	int err = 0;

	/* With an owner, its events and the rounds tell which processes are gone. */
	if (config->owner)
		err = owner__processes(config->owner, &list->known, &list->n_known);
	else
		table__begin_census(table);
	if (!err)
		err = procfs__each(config->proc, visit, list);
	if (!err && !config->owner)
		table__end_census(table);
	return err;
}

static int finish(struct list *list)
{
	struct report *report = list->report;

	report->processes = arena__alloc(report->strings, list->n * sizeof(*list->rows));
	if (!report->processes)
		return -ENOMEM;
	if (list->n)
		memcpy(report->processes, list->rows, list->n * sizeof(*list->rows));
	report->n_processes = list->n;
	processes__sort(report);
	return 0;
}

int sampler__list(struct sampler *sampler, const struct caller *caller, struct visitor *visitor,
		  struct report **ret)
{
	struct list list = {
		.sampler = sampler, .caller = caller, .visitor = visitor, .report = report__new()};
	int err;

	if (!list.report)
		return -ENOMEM;
	list.report->taken_at = clock__wall_ns();
	err = fill(&list);
	if (!err)
		err = finish(&list);
	free(list.known);
	free(list.rows);
	if (err)
		report__free(list.report);
	else
		*ret = list.report;
	return err;
}

void sampler__add_growth(struct sampler *sampler, struct report *report)
{
	uint64_t boot_wall_ns = clock__boot_to_wall(0);

	/* Without events it is not known when a process runs another program. */
	if (!sampler->taker->config.owner)
		return;
	for (size_t i = 0; i < report->n_processes; i++) {
		struct process_row *row = &report->processes[i];
		struct sighting first = {row->rss, row->sampled_at - boot_wall_ns};

		if (!table__first(sampler->table, row->pid, row->start_ticks, row->exec_space,
				  &first))
			continue;
		row->growth = (int64_t)(row->rss - first.rss);
		row->growth_since = boot_wall_ns + first.ns;
	}
}
