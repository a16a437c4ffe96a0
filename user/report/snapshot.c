// SPDX-License-Identifier: BSD-2-Clause
#include "report/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/owner.h"
#include "model/promise.h"
#include "model/sweep.h"
#include "reconcile/classify.h"
#include "util/cleanup.h"
#include "util/clock.h"

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
		owner__call(s->taker->config.owner, look, &l);
		if (!l.err && l.view.learned && l.view.start_ticks == s->stat.start_ticks)
			break;
		if (!l.err && picked_up)
			break;
		if (!l.err)
			view__free(&l.view);
		if (picked_up ||
		    sweep__process(s->taker->config.proc, s->taker->config.owner, s->pid))
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
static bool awaits_names(struct snapshot *s)
{
	while (s->view.late_names && ledger__awaits_names(&s->view.ledger)) {
		if (!s->patience->names_ms)
			return true;
		s->patience->names_ms--;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
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
	enum file_is what = file_cache__look(s->taker->files, s->pidfd, &s->set, vma);

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

	if (s->pagemap == -1)
		s->pagemap = openat(s->pidfd, "pagemap", O_RDONLY | O_CLOEXEC);
	if (s->pagemap < 0)
		return -errno;
	return pagemap__count(s->pagemap, lo, hi, ret);
}

static int join(struct snapshot *s, struct arena *strings)
{
	static const struct ledger nothing;
	struct join_config config = {
		.set = &s->set,
		.ledger = s->traced ? &s->view.ledger : &nothing,
		.space_id = s->traced ? s->view.space_id : 0,
		.exec_space = s->traced ? s->view.exec_space : 0,
		.page_size = s->taker->page_size,
		.role = role,
		.count = count,
		.ctx = s,
		.strings = strings,
	};

	s->role_name = 0;
	s->names_missing = s->traced && awaits_names(s);
	part_list__free(&s->parts);
	return join__parts(&config, &s->parts);
}

static void learn(struct model *model, void *arg)
{
	const struct snapshot *s = arg;

	model__learn(model, s->pid, s->stat.start_ticks, s->stat.comm, s->view.space_id,
		     s->began_ns, &s->set);
}

/* Looks again: when the map is as it was before the reading, the reading shows this map. Otherwise
 * the newer view takes the place of the older one. */
static bool settled(struct snapshot *s)
{
	struct view before = s->view;
	bool same;

	if (!s->traced)
		return !s->set.torn;
	if (view_now(s, &s->view)) {
		s->view = before;
		return false;
	}
	same = before.space_id == s->view.space_id && before.generation == s->view.generation;
	view__free(&before);
	return same && !s->set.torn;
}

static int try_once(struct snapshot *s, const atomic_bool *stop, struct arena *strings)
{
	int err;

	vma_set__free(&s->set);
	s->began_ns = clock__boot_ns();
	err = procfs__vmas(s->pidfd, SMAPS_FULL, stop, &s->set);
	if (err)
		return err == -ESRCH ? -EIDRM : err;
	err = join(s, strings); /* counts pages, so before the second look */
	if (err)
		return err;
	s->racing = !settled(s);
	return 0;
}

static int open_process(struct snapshot *s)
{
	const char *slash;
	int err;

	s->pidfd = procfs__open(s->taker->config.proc, s->pid);
	if (s->pidfd < 0)
		return s->pidfd == -ENOENT ? -ESRCH : s->pidfd;
	err = procfs__stat(s->pidfd, &s->stat);
	if (err)
		return err;
	if (proc_stat__is_kernel_thread(&s->stat))
		return -ESRCH;
	if (s->stat.state == 'Z' || s->stat.state == 'X') {
		int thread = procfs__open_live_thread(s->pidfd);

		if (thread < 0)
			return -ESRCH; /* a zombie */
		close(s->pidfd);
		s->pidfd = thread;
	}
	if (procfs__link(s->pidfd, "exe", s->exe, sizeof(s->exe)))
		s->exe[0] = '\0';
	slash = strrchr(s->exe, '/');
	s->binary = slash ? slash + 1 : s->stat.comm;
	return 0;
}

static void want_stacks(struct model *model, void *arg)
{
	const struct snapshot *s = arg;

	model__want_stacks(model, s->pid, s->view.space_id);
}

static void wait_for_stacks(struct snapshot *s)
{
	if (!s->traced || !s->patience->wants_stacks ||
	    !parts__await_stacks(s->parts.parts, s->parts.n))
		return;
	owner__call(s->taker->config.owner, want_stacks, s);
	while (s->patience->stacks_ms && parts__await_stacks(s->parts.parts, s->parts.n)) {
		s->patience->stacks_ms--;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

int snapshot__take(struct snapshot *s, const struct taker *taker, pid_t pid,
		   const struct caller *caller, const atomic_bool *stop, struct patience *patience,
		   struct arena *strings)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->taker = taker;
	s->patience = patience;
	s->pid = pid;
	s->pagemap = -1;
	err = open_process(s);
	if (err)
		return err;
	if (!caller__may_read(caller, s->pidfd))
		return -EACCES;
	if (taker->config.owner)
		s->traced = !view_now(s, &s->view);
	s->racing = true;
	for (int i = 0; !err && s->racing && i < SNAPSHOT_TRIES; i++)
		err = try_once(s, stop, strings);
	if (err)
		return err;
	if (s->racing)
		err = join(s, strings); /* by the latest that is known */
	else if (s->traced && join__has_strays(&s->set, &s->view.ledger))
		owner__call(taker->config.owner, learn, s);
	if (err)
		return err;
	wait_for_stacks(s);
	parts__resolve(s->parts.parts, s->parts.n);
	return 0;
}

void snapshot__free(struct snapshot *s)
{
	if (s->traced)
		view__free(&s->view);
	part_list__free(&s->parts);
	vma_set__free(&s->set);
	if (s->pagemap >= 0)
		close(s->pagemap);
	if (s->pidfd > 0)
		close(s->pidfd);
}
