// SPDX-License-Identifier: BSD-2-Clause
#include "report/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "live/owner.h"
#include "live/sweep.h"
#include "model/ledger_names.h"
#include "proc/memory.h"
#include "proc/process.h"
#include "proc/unshared.h"
#include "reconcile/classify.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"

/* What a sample takes of a report: the list, its pages, what they are sorted by. */
#define TOUCH_BYTES 96

/* Of the time for stacks, what those of samples, of which there may be very many, leave. */
#define TOUCHES_LEAVE_NS (1 * NSEC_PER_SEC)

/* How often a process is taken anew that runs another program by the time it was read. */
#define PROGRAM_TRIES 3

struct look {
	pid_t pid;
	struct view view;
	int err;
};

static void look(struct model *model, void *arg)
{
	struct look *l = arg;

	l->err = model__view(model, l->pid, &l->view);
}

/* The process as the events have it now; one that no event and no sweep has met yet is picked up.
 * -ESRCH when there is nothing to be had. */
static int view_now(const struct snapshot *s, struct view *ret)
{
	struct look l = {.pid = s->pid};

	for (int picked_up = 0;; picked_up = 1) {
		owner__call_exact(s->config->taker->config.owner, look, &l);
		if (!l.err && l.view.learned && l.view.start_ticks == s->stat.start_ticks)
			break;
		if (!l.err && picked_up)
			break;
		if (!l.err)
			view__free(&l.view);
		if (picked_up || !process__is_one(s->pidfd, s->pid) ||
		    sweep__process(s->config->taker->config.proc, s->config->taker->config.owner,
				   s->config->visitor, s->pid))
			return -ESRCH;
	}
	if (l.view.start_ticks != s->stat.start_ticks) {
		view__free(&l.view);
		return -ESRCH;
	}
	*ret = l.view;
	return 0;
}

/* Waits for the names that the view's ranges were given and that are still being read. */
static bool awaits_late_names(struct snapshot *s)
{
	while (s->view.late_names && ledger__has_late_names(&s->view.ledger)) {
		if (!waiter__nap(&s->config->patience->names_ns))
			return true;
	}
	return false;
}

/* By the path, which the kernel prints the same way for both. A stat of it would wait for the
 * server where the file is on FUSE or NFS, and tell another device than smaps on overlayfs and
 * btrfs. */
static bool is_exe(const struct snapshot *s, const struct vma *vma)
{
	return s->exe[0] && !strcmp(vma_set__name(&s->set, vma), s->exe);
}

static enum file_role find_role(struct snapshot *s, const struct vma *vma)
{
	enum file_is what =
		file_cache__look(s->config->taker->files, s->pidfd, &s->mounts, &s->set, vma);

	if (is_exe(s, vma)) {
		s->exe_is_go |= what == FILE_IS_GO;
		return FILE_ROLE_BINARY;
	}
	/* A file that may not be looked at is a library if it has code. */
	if (what == FILE_IS_UNKNOWN && vma->kind == VMA_FILE && vma->perms[2] == 'x')
		what = FILE_IS_ELF;
	if (what != FILE_IS_ELF && what != FILE_IS_GO)
		return FILE_ROLE_OTHER;
	return classify__is_loader(vma_set__name(&s->set, vma)) ? FILE_ROLE_LOADER
								: FILE_ROLE_LIBRARY;
}

static enum file_role role(const struct vma *vma, void *ctx)
{
	struct snapshot *s = ctx;

	if (!vma->name || vma->name != s->role_name) {
		s->role = find_role(s, vma);
		s->role_name = vma->name;
	}
	return s->role;
}

static int count(uint64_t lo, uint64_t hi, struct pagemap_counts *ret, void *ctx)
{
	struct snapshot *s = ctx;

	return pagemap__count(s->program.pagemap, lo, hi, ret);
}

static int look_at_pages(const uint64_t *pages, size_t n, uint8_t *ret_states, void *ctx)
{
	const struct snapshot *s = ctx;

	return pagemap__look(s->program.pagemap, pages, n, ret_states);
}

/* Reads the process, too. */
static int join_there(struct snapshot *s)
{
	static const struct ledger nothing;
	struct join_config config = {
		.set = &s->set,
		.ledger = s->traced ? &s->view.ledger : &nothing,
		.space_id = s->traced ? s->view.space_id : 0,
		.exec_space = s->traced ? s->view.exec_space : 0,
		.page_size = s->config->taker->page_size,
		.role = role,
		.count = count,
		.ctx = s,
		.strings = s->config->report->strings,
	};
	int err;

	s->role_name = 0;
	part_list__free(&s->parts);
	touch_list__free(&s->touches);
	err = join__parts(&config, &s->parts);
	if (err || !s->traced || !s->config->reading.touches)
		return err;
	return touch_list__make(
		&(struct touch_reading){
			.touches = &s->view.touches,
			.forked_ns = s->view.forked_ns,
			.parts = s->parts.parts,
			.n_parts = s->parts.n,
			.page_size = config.page_size,
			.several = s->config->taker->faults_bring_several,
			.look = look_at_pages,
			.ctx = s,
		},
		&s->touches);
}

static bool asks_mapcounts(const struct reading *reading)
{
	return reading->report && region_sharing__asks_mapcounts(&reading->detail);
}

static size_t least_vmas(const struct reading *reading)
{
	return asks_mapcounts(reading) ? REGION_SHARING_LEAST_VMAS : 0;
}

/* It has given nothing back by MADV_FREE before the reading if it has not after it. */
static int read_unshared(struct snapshot *s, const atomic_bool *stop, struct resident *ret)
{
	const struct taker_config *config = &s->config->taker->config;
	int err;

	if (!config->mapcounts || !s->traced || !s->view.unshared)
		return -ENODATA;
	err = unshared__read(s->pidfd, config->mapcounts, stop, ret);
	if (err || !owner__may_free_lazily(config->owner, s->view.tgid))
		return err;
	vma_set__free(&ret->set);
	return -ENODATA;
}

static int read_report(struct snapshot *s, const atomic_bool *stop, struct resident *ret)
{
	int err = read_unshared(s, stop, ret);
	struct vma_set maps = {};

	if (!err || err == -ENOMEM || err == -ECANCELED)
		return err;
	if (err == -ERANGE)
		maps = ret->set;
	return resident__read_report(s->pidfd, least_vmas(&s->config->reading), maps, stop, ret);
}

static int read_resident(struct snapshot *s)
{
	const atomic_bool *stop = visitor__stop(s->config->visitor);
	const struct reading *reading = &s->config->reading;
	struct resident resident;
	int err;

	if (s->needs_smaps)
		err = resident__read_smaps(s->pidfd, stop, &resident);
	else if (reading->report)
		err = read_report(s, stop, &resident);
	else
		err = resident__read(s->pidfd, reading->largest, stop, &resident);
	if (err)
		return err == -ESRCH ? -EIDRM : err;
	vma_set__free(&s->set);
	s->set = resident.set;
	s->summed = resident.summed;
	s->sharing_known = resident.sharing;
	s->totals = (struct totals){
		.size = resident.size,
		.rss = resident.rss,
		.pss = resident.pss,
		.swap = resident.swap,
		.kinds = resident.kinds,
	};
	return 0;
}

/* As smaps would have them. */
static int add_sharing(struct snapshot *s)
{
	int err = region_sharing__of_all(&s->sharing, &s->set);

	if (err)
		return err;
	s->sharing_known = true;
	/* Rounded down in each. */
	s->totals.pss = 0;
	for (size_t i = 0; i < s->set.n; i++)
		s->totals.pss += s->set.vmas[i].pss;
	return 0;
}

static int read_memory(struct snapshot *s)
{
	int err = read_resident(s);

	if (err || s->sharing_known || s->config->reading.detail.regions != SIZE_MAX ||
	    !add_sharing(s))
		return err;
	s->needs_smaps = true;
	return read_resident(s);
}

static int join_in_detail(struct snapshot *s)
{
	int err = join_there(s);

	if (!err && !s->sharing_known)
		err = region_sharing__of_largest(&s->sharing, &s->set, &s->parts);
	if (err != -ENODATA)
		return err;
	s->needs_smaps = true;
	err = read_memory(s);
	return err ?: join_there(s);
}

static int join(struct snapshot *s)
{
	int err;

	s->names_missing = s->traced && awaits_late_names(s);
	err = visitor__enter(s->config->visitor, s->pid);
	if (err)
		return err;
	err = join_in_detail(s);
	visitor__leave(s->config->visitor);
	return err;
}

static void learn(struct model *model, void *arg)
{
	const struct snapshot *s = arg;

	model__learn(model, s->pid, &s->stat, s->view.space_id, s->began_ns, &s->set);
}

static void forget_pages(struct model *model, void *arg)
{
	const struct snapshot *s = arg;

	model__pages_are_gone(model, s->pid, s->view.space_id, s->touches.gone, s->touches.n_gone,
			      s->began_ns);
}

struct second_look {
	const struct view *view;
	bool holds;
};

static void look_again(struct model *model, void *arg)
{
	struct second_look *second = arg;

	second->holds = model__view_holds(model, second->view);
}

/* Looks again: when the map is as it was before the reading, the reading shows this map. Otherwise
 * the newer view takes the place of the older one. */
static bool settled(struct snapshot *s)
{
	struct second_look second = {.view = &s->view};
	struct view newer;

	if (!s->traced)
		return !s->set.torn;
	owner__call_exact(s->config->taker->config.owner, look_again, &second);
	if (second.holds)
		return !s->set.torn;
	if (!view_now(s, &newer)) {
		s->exec_seen |= newer.exec_space != s->view.exec_space;
		view__free(&s->view);
		s->view = newer;
	}
	return false;
}

int snapshot__check(const struct snapshot *s)
{
	bool runs;
	int err;

	if (!caller__may_read(s->config->caller, s->pidfd))
		return process__has_map(s->pidfd) ? -EACCES : -EIDRM;
	err = visitor__enter(s->config->visitor, s->pid);
	if (err)
		return err;
	runs = program__runs(&s->program, s->pidfd);
	visitor__leave(s->config->visitor);
	return runs ? 0 : -EIDRM;
}

/* Room for the parts that the ledger cuts, and for so many VMAs. */
static int reserve(struct snapshot *s, size_t vmas)
{
	struct reservation *memory = &s->config->report->memory;
	struct patience *patience = s->config->patience;
	size_t ranges = s->traced ? ledger__count(&s->view.ledger) : 0;
	size_t bytes = vmas * sizeof(struct vma) + (ranges + vmas) * sizeof(struct part) +
		       (s->traced ? touches__count(&s->view.touches) : 0) * TOUCH_BYTES;
	int err;

	memory->budget = s->config->taker->config.budget;
	reservation__shrink(memory, 0);
	memory->source = s->config->caller->source;
	err = reservation__grow(memory, bytes, patience->memory_ms);
	if (err)
		patience->memory_ms = 0;
	return err;
}

static int try_once(struct snapshot *s)
{
	int err = reserve(s, s->set.n);

	err = err ?: visitor__enter(s->config->visitor, s->pid);
	if (err)
		return err;
	s->began_ns = clock__boot_ns();
	err = read_memory(s);
	visitor__leave(s->config->visitor);
	if (!err)
		err = reserve(s, s->set.n);
	if (!err)
		err = join(s); /* counts pages, so before the second look */
	if (!err)
		err = snapshot__check(s);
	if (!err)
		s->racing = s->config->reading.tries && !settled(s);
	return err ?: s->exec_seen ? -EIDRM : 0;
}

/* An exec that waits for the earlier program's map keeps an open of this one waiting. */
static int open_program(struct snapshot *s)
{
	int err = visitor__enter(s->config->visitor, s->pid);

	if (err)
		return err;
	err = program__open(s->pidfd, &s->program);
	visitor__leave(s->config->visitor);
	return err;
}

static int open_process(struct snapshot *s)
{
	const char *slash;
	int err;

	s->pidfd = procfs__open(s->config->taker->config.proc, s->pid);
	if (s->pidfd < 0)
		return s->pidfd == -ENOENT ? -ESRCH : s->pidfd;
	err = procfs__stat(s->pidfd, &s->stat);
	if (err)
		return err;
	if (proc_stat__is_kernel_thread(&s->stat))
		return -ESRCH;
	err = open_program(s);
	if (err)
		return err; /* -ESRCH: a zombie */
	if (process__link(s->pidfd, "exe", s->exe, sizeof(s->exe)))
		s->exe[0] = '\0';
	slash = strrchr(s->exe, '/');
	s->binary = slash ? slash + 1 : s->stat.comm;
	return caller__may_read(s->config->caller, s->pidfd) ? 0 : -EACCES;
}

static void want_stacks(struct model *model, void *arg)
{
	const struct snapshot *s = arg;

	model__want_stacks(model, s->pid, s->view.space_id);
}

static bool has_waiting_stacks(const struct snapshot *s)
{
	return parts__have_waiting_stacks(s->parts.parts, s->parts.n) ||
	       (s->config->patience->stacks_ns > TOUCHES_LEAVE_NS &&
		touch_samples__wait(s->touches.samples, s->touches.n));
}

static void wait_for_stacks(struct snapshot *s)
{
	if (!s->traced || !s->config->patience->wants_stacks || !has_waiting_stacks(s))
		return;
	owner__call(s->config->taker->config.owner, want_stacks, s);
	while (has_waiting_stacks(s) && waiter__nap(&s->config->patience->stacks_ns))
		;
}

static int take(struct snapshot *s, pid_t pid, const struct snapshot_config *config)
{
	struct owner *owner = config->taker->config.owner;
	unsigned tries = 0;
	int err;

	memset(s, 0, sizeof(*s));
	s->config = config;
	s->pid = pid;
	s->program.pagemap = -1;
	s->sharing.frames = -1;
	s->needs_smaps = asks_mapcounts(&config->reading) && !config->taker->config.mapcounts;
	err = open_process(s);
	if (err)
		return err;
	s->sharing = (struct region_sharing){
		.mapcounts = config->taker->config.mapcounts,
		.pidfd = s->pidfd,
		.pagemap = s->program.pagemap,
		.frames = -1,
		.page_size = config->taker->page_size,
		.detail = config->reading.detail,
	};
	if (owner)
		s->traced = !view_now(s, &s->view);
	if (!s->traced && !process__is_one(s->pidfd, pid))
		return -ESRCH;
	do
		err = try_once(s);
	while (!err && s->racing && ++tries < config->reading.tries);
	if (err)
		return err;
	if (s->racing)
		err = join(s) ?: snapshot__check(s); /* by the latest that is known */
	else if (s->traced && config->reading.tries &&
		 join__has_unmapped_ranges(&s->set, &s->view.ledger))
		owner__call(owner, learn, s);
	if (err)
		return err;
	if (s->touches.n_gone)
		owner__call(owner, forget_pages, s);
	wait_for_stacks(s);
	parts__resolve(s->parts.parts, s->parts.n);
	return 0;
}

/* Another program is asked about anew: whether the caller may read it, too. */
int snapshot__take(struct snapshot *s, pid_t pid, const struct snapshot_config *config)
{
	int err = take(s, pid, config);

	for (int i = 1; i < PROGRAM_TRIES && err == -EIDRM && process__has_map(s->pidfd); i++) {
		snapshot__free(s);
		err = take(s, pid, config);
	}
	return err;
}

int snapshot__summarise(const struct snapshot *s, struct summary *summary)
{
	int err = 0;

	summary__add_totals(summary, &s->totals);
	for (size_t i = 0; !err && i < s->parts.n; i++)
		err = summary__add(summary, &s->parts.parts[i], s->binary);
	return err;
}

void snapshot__free(struct snapshot *s)
{
	if (s->traced)
		view__free(&s->view);
	part_list__free(&s->parts);
	touch_list__free(&s->touches);
	vma_set__free(&s->set);
	program__close(&s->program);
	region_sharing__close(&s->sharing);
	mounts__free(&s->mounts);
	if (s->pidfd > 0)
		close(s->pidfd);
}
