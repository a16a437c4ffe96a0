// SPDX-License-Identifier: BSD-2-Clause
/* Rooms that read /proc: of a process that stands still, so that what they find is the same. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc/cgroup.h"
#include "proc/cgroup_tree.h"
#include "proc/credentials.h"
#include "proc/domain.h"
#include "proc/files.h"
#include "proc/mounts.h"
#include "proc/namespace.h"
#include "proc/pod_logs.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/program.h"
#include "proc/resident.h"
#include "proc/threads.h"
#include "proc/vmas.h"
#include "report/take.h"
#include "sampler/sampler.h"
#include "scenarios.h"
#include "symbolize/images.h"
#include "util/cleanup.h"

pid_t faults_subject;
char faults_proc[] = "/tmp/memprov-faults-XXXXXX";

typedef int look_fn(int pidfd, struct said *said);

static int look_at(look_fn *look, struct said *said)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", faults_subject);

	return pidfd < 0 ? pidfd : look(pidfd, said);
}

static int look_at_vmas(int pidfd, struct said *said)
{
	struct vma_set set = {};
	int err = procfs__vmas(pidfd, SMAPS_FULL, NULL, &set);

	for (size_t i = 0; !err && i < set.n; i++)
		say(said, "%lx-%lx %s\n", (unsigned long)set.vmas[i].start,
		    (unsigned long)set.vmas[i].end, vma_set__name(&set, &set.vmas[i]));
	vma_set__free(&set);
	return err;
}

static int vmas(struct said *said)
{
	return look_at(look_at_vmas, said);
}

static int look_at_resident(int pidfd, struct said *said)
{
	struct resident resident = {};
	int err = resident__read(pidfd, UINT64_MAX, NULL, &resident);
	uint64_t rss = 0;

	for (size_t i = 0; !err && i < resident.set.n; i++)
		rss += resident.set.vmas[i].rss;
	if (!err)
		say(said, "%zu mappings, %lu resident\n", resident.set.n, (unsigned long)rss);
	vma_set__free(&resident.set);
	return err;
}

static int resident(struct said *said)
{
	return look_at(look_at_resident, said);
}

static int look_at_stat(int pidfd, struct said *said)
{
	struct proc_stat stat;
	int err = procfs__stat(pidfd, &stat);

	if (!err)
		say(said, "%d %s %lu\n", stat.pid, stat.comm, (unsigned long)stat.start_ticks);
	return err;
}

static int stat_of(struct said *said)
{
	return look_at(look_at_stat, said);
}

static int look_at_threads(int pidfd, struct said *said)
{
	struct proc_thread *threads = NULL;
	size_t n = 0;
	int err = procfs__threads(pidfd, faults_subject, 16, &threads, &n);

	if (!err)
		say(said, "%zu threads\n", n);
	free(threads);
	return err;
}

static int threads(struct said *said)
{
	return look_at(look_at_threads, said);
}

static int look_at_mounts(int pidfd, struct said *said)
{
	struct mounts mounts = {};
	int err = mounts__need(&mounts, pidfd);

	if (!err)
		say(said, "%zu devices, %zu points\n", mounts.n_devices, mounts.n_points);
	mounts__free(&mounts);
	return err;
}

static int mounts(struct said *said)
{
	return look_at(look_at_mounts, said);
}

static int look_at_cgroup(int pidfd, struct said *said)
{
	struct cgroup cgroup;
	int err = cgroup__read(pidfd, &cgroup);

	if (!err)
		say(said, "%s\n", cgroup.path);
	return err;
}

static int cgroup(struct said *said)
{
	return look_at(look_at_cgroup, said);
}

static int look_at_domain(int pidfd, struct said *said)
{
	struct credentials credentials;
	struct domain domain;
	struct proc_stat stat;
	int err = procfs__stat(pidfd, &stat);

	err = err ?: domain__of(pidfd, stat.pid, stat.start_ticks, &domain, &credentials);
	if (!err)
		say(said, "%u\n", credentials.uids[0]);
	return err;
}

static int domain(struct said *said)
{
	return look_at(look_at_domain, said);
}

static int look_at_program(int pidfd, struct said *said)
{
	struct program program;
	int err = program__open(pidfd, &program);

	if (!err)
		say(said, "opened\n");
	if (!err && program__runs(&program, pidfd))
		say(said, "and it runs\n");
	program__close(&program);
	return err;
}

static int program(struct said *said)
{
	return look_at(look_at_program, said);
}

static int count_process(pid_t pid, void *ctx)
{
	*(bool *)ctx |= pid == faults_subject;
	return 0;
}

static int each(struct said *said)
{
	bool found = false;
	int err = procfs__each("/proc", count_process, &found);

	if (!err)
		say(said, "%d\n", found);
	return err;
}

static int pods(struct said *said)
{
	struct pod_logs *logs;
	int err = pod_logs__new("/var/log", &logs);

	if (err)
		return err;
	say(said, "watched\n");
	pod_logs__free(logs);
	return 0;
}

static int take(struct said *said)
{
	struct taker *taker = taker__new(&(struct taker_config){.proc = "/proc"});
	struct report *report;
	uint64_t sum = 0;
	int err = -ENOMEM;

	if (taker)
		err = taker__process(taker, faults_subject, DETAIL_FULL, &CALLER_OURSELVES, NULL,
				     &report);
	if (!err) {
		for (size_t i = 0; i < report->n_regions; i++)
			sum += report->regions[i].rss;
		say(said, "%zu regions, %lu resident, %d\n", report->n_regions,
		    (unsigned long)report->totals.rss, sum == report->totals.rss);
		report__free(report);
	}
	taker__free(taker);
	return err;
}

/* Of a node that has this process alone. */
static int list(struct said *said)
{
	struct taker *taker = taker__new(&(struct taker_config){.proc = faults_proc});
	struct sampler *sampler = sampler__new(NULL);
	struct report *report;
	int err = taker && sampler ? sampler__start(sampler, taker, NULL, NULL) : -ENOMEM;

	err = err ?: sampler__list(sampler, &CALLER_OURSELVES, NULL, &report);
	if (!err) {
		for (size_t i = 0; i < report->n_processes; i++) {
			if (report->processes[i].pid == faults_subject)
				say(said, "%lu resident\n",
				    (unsigned long)report->processes[i].rss);
		}
		report__free(report);
	}
	sampler__free(sampler);
	taker__free(taker);
	return err;
}

static int tell_file(void *ctx, uint32_t number, int fd)
{
	(void)number, (void)fd;
	++*(size_t *)ctx;
	return 0;
}

static int drop(void *ctx, uint32_t number)
{
	(void)ctx, (void)number;
	return 0;
}

static int tell_rows(void *ctx, const struct image *image)
{
	(void)ctx, (void)image;
	return 0;
}

static int images(struct said *said)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", faults_subject);
	size_t files = 0;
	const struct images_teller teller = {tell_file, drop, drop, tell_rows, &files};
	struct images *images = images__new("/proc", &teller);
	struct proc_stat stat;
	struct image *image;
	int err = images ? procfs__stat(pidfd, &stat) : -ENOMEM;

	err = err ?: images__get(images, faults_subject, stat.start_ticks, 0, NULL, &image);
	if (!err)
		say(said, "%zu rows, %zu files\n", image->n, files);
	images__free(images);
	return err;
}

const struct scenario scenarios_proc[] = {
	{"proc", "the map of a process, with what is resident", ONLY_READS, vmas},
	{"proc", "what is resident, by pages", 0, resident},
	{"proc", "stat", ONLY_READS, stat_of},
	{"proc", "threads", 0, threads},
	{"proc", "mounts", ONLY_READS, mounts},
	{"proc", "the cgroup", MAY_LOSE, cgroup},
	{"proc", "the domain", 0, domain},
	{"proc", "which program it runs", MAY_LOSE, program},
	{"proc", "all processes", 0, each},
	{"proc", "the logs of pods", 0, pods},
	{"report", "a report from smaps alone", MAY_LOSE, take},
	{"sampler", "a list of all processes", MAY_LOSE, list},
	{"symbolize", "the code of a process", MAY_LOSE, images},
	{},
};
