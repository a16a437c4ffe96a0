// SPDX-License-Identifier: BSD-2-Clause
#include "sampler/sample.h"

#include <errno.h>
#include <string.h>

#include "report/container.h"
#include "report/observer.h"
#include "report/sites.h"
#include "report/touch_sites.h"
#include "util/arena.h"
#include "util/clock.h"

/* The sums of the parts; its names are in an arena that goes. */
static int sum_up(const struct snapshot *s, struct report *ret)
{
	struct summary *summary = summary__new();
	int err = summary ? snapshot__summarise(s, summary) : -ENOMEM;

	if (!err)
		err = summary__fill(summary, ret);
	summary__free(summary);
	return err;
}

static size_t bytes_of_names(const struct report *sums, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(sums->named[i].name) + 1;
	return bytes;
}

static void copy_names(struct sample *sample, const struct report *sums, size_t n)
{
	char *text = (char *)&sample->named[sample->n_named];

	for (size_t i = 0; i < n; i++) {
		sample->named[i] = sums->named[i];
		sample->named[i].name = text;
		text = stpcpy(text, sums->named[i].name) + 1;
	}
	if (n == sample->n_named)
		return;
	sample->named[n] = (struct named_row){.name = strcpy(text, OTHER_NAMES)};
	for (size_t i = n; i < sums->n_named; i++) {
		sample->named[n].rss += sums->named[i].rss;
		sample->named[n].size += sums->named[i].size;
		sample->named[n].regions += sums->named[i].regions;
	}
}

static struct sample *make(const struct snapshot *s, const struct report *sums, size_t *ret_size)
{
	size_t n = sums->n_named < SAMPLE_NAMES ? sums->n_named : SAMPLE_NAMES;
	size_t rows = n + (n < sums->n_named);
	size_t size = sizeof(struct sample) + rows * sizeof(struct named_row) +
		      bytes_of_names(sums, n) + sizeof(OTHER_NAMES);
	struct sample *sample = calloc(1, size);

	if (!sample)
		return NULL;
	*ret_size = size;
	sample->refs = 1;
	sample->n_named = rows;
	copy_names(sample, sums, n);
	for (int group = 0; group < CATEGORY_GROUPS; group++)
		sample->by_category_group[group] = report__group_bytes(sums, group);
	memcpy(sample->by_coverage, sums->by_coverage, sizeof(sample->by_coverage));
	sample->pid = s->pid;
	sample->start_ticks = s->stat.start_ticks;
	sample->program = s->program.id;
	sample->rss = s->totals.rss;
	sample->taken_ns = s->began_ns;
	sample->unsettled = s->set.torn || s->names_missing ||
			    parts__have_waiting_stacks(s->parts.parts, s->parts.n) ||
			    touch_samples__wait(s->touches.samples, s->touches.n);
	if (s->traced) {
		sample->exec_space = s->view.exec_space;
		sample->space_id = s->view.space_id;
		sample->generation = s->view.generation;
	}
	return sample;
}

static void add_sums(struct sample *sample, const struct snapshot *s, const struct sample *before)
{
	sample->pss = sample->swap = UNKNOWN_BYTES;
	sample->kinds = page_kinds_unknown;
	if (s->summed) {
		sample->summed_ns = s->began_ns;
		sample->pss = s->totals.pss;
		sample->swap = s->totals.swap;
		sample->kinds = s->totals.kinds;
	} else if (before && before->exec_space == sample->exec_space) {
		sample->summed_ns = before->summed_ns;
		sample->pss = before->pss;
		sample->swap = before->swap;
		sample->kinds = before->kinds;
	}
}

/* What stays is allocated when all that goes has gone: otherwise it lies above that, and samples of
 * a thousand processes leave a thousand holes in the heap. */
static struct sample *move(struct sample *from, size_t size)
{
	struct sample *to = malloc(size);

	if (to) {
		memcpy(to, from, size);
		for (size_t i = 0; i < to->n_named; i++)
			to->named[i].name = (char *)to + (from->named[i].name - (char *)from);
	}
	free(from);
	return to;
}

/* What an observer wants and a sample does not keep. */
static int fill_for_observer(const struct taker *taker, const struct snapshot *s,
			     const struct sample *sample, struct report *sums)
{
	struct sites *sites = sites__new();
	struct touch_sites *touch = touch_sites__new(taker->page_size);
	int err = sites && touch ? sites__add(sites, s->parts.parts, s->parts.n, NULL, 0) : -ENOMEM;

	err = err ?: touch_sites__add(touch, s->parts.parts, s->parts.n, &s->touches);
	err = err ?: sites__fill(sites, sums) ?: touch_sites__fill(touch, sums);
	sites__free(sites);
	touch_sites__free(touch);
	sums->pid = s->pid;
	sums->start_time = clock__boot_to_wall(s->stat.start_ticks * NSEC_PER_TICK);
	sums->comm = s->stat.comm;
	sums->totals.rss = sample->rss;
	sums->totals.pss = sample->pss;
	sums->totals.swap = sample->swap;
	return err
		       ?: report_container__of_process(s->pidfd, taker->config.pod_logs,
						       sums->strings, &sums->container);
}

/* Stacks that no request waits for are unwound when there is time, which a busy node may not have
 * for minutes. What is observed of a larger process is not to lack its call sites for so long. */
static bool wants_stacks(const struct taker *taker, const struct sample *before)
{
	return taker->config.observer && before && before->unsettled &&
	       before->rss >= SAMPLE_WANTS_BYTES;
}

int sample__take(const struct taker *taker, pid_t pid, uint64_t largest,
		 const struct sample *before, struct visitor *visitor, struct sample **ret)
{
	struct report *sums = report__new();
	struct patience patience = {.wants_stacks = wants_stacks(taker, before)};
	struct snapshot_config config = {
		.taker = taker,
		.caller = &CALLER_OURSELVES,
		.visitor = visitor,
		/* What changes meanwhile shows in its generation, later. */
		.reading = {.tries = 0, .largest = largest, .touches = taker->config.observer},
		.patience = &patience,
	};
	uint64_t began = clock__thread_cpu_ns();
	struct proc_memory memory = {};
	struct sample *sample = NULL;
	struct snapshot s;
	size_t size;
	int err;

	if (!sums)
		return -ENOMEM;
	config.report = sums;
	procfs__memory_of(taker->config.proc, pid, &memory); /* if not, then the rest will not */
	err = snapshot__take(&s, pid, &config);
	if (!err)
		err = sum_up(&s, sums);
	if (!err) {
		sample = make(&s, sums, &size);
		err = sample ? 0 : -ENOMEM;
	}
	if (!err) {
		sample->memory = memory;
		add_sums(sample, &s, before);
	}
	/* What it is told must not depend on whether memory is short: then it is told nothing. */
	if (!err && taker->config.observer && !fill_for_observer(taker, &s, sample, sums))
		observer__observe(taker->config.observer, &s, sums);
	snapshot__free(&s);
	report__free(sums);
	if (!err) {
		sample = move(sample, size);
		err = sample ? 0 : -ENOMEM;
	}
	if (!err) {
		sample->cost_ns = clock__thread_cpu_ns() - began;
		*ret = sample;
	}
	return err;
}
