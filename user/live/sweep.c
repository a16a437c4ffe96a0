// SPDX-License-Identifier: BSD-2-Clause
#include "live/sweep.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proc/crew.h"
#include "proc/procfs.h"
#include "proc/threads.h"
#include "proc/vmas.h"
#include "util/array.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"

#define SWEEP_EVERY_NS (2 * NSEC_PER_SEC)
/* Every so many are made also where no task has come or gone, for those that could not be read, and
 * look at kernel threads again: a node has hundreds. */
#define SWEEPS_LEFT_OUT_MAX 15
/* Reading a map while the process changes it: after this many tries what was read is used, minus
 * what was touched meanwhile. */
#define LEARN_TRIES 3
#define MAX_THREADS 4096

struct pid_list {
	pid_t *pids; /* sorted */
	size_t n;
	size_t cap;
};

struct sweeper {
	const char *proc;
	struct owner *owner;
	atomic_bool ready;
	char tasks[PROC_TASKS_LEN]; /* before the last sweep; "": there was none that ended well */
	unsigned left_out;	    /* sweeps, since then */
	struct pid_list without_memory; /* that had no memory when they were looked at last */
	unsigned until_all;		/* sweeps, until these are looked at again */
	pthread_mutex_t lock;		/* for wake */
	pthread_cond_t wake;
};

struct reading {
	pid_t pid;
	struct proc_stat stat;
	uint64_t began_ns;
	struct vma_set maps;
	struct view before;
	bool known;
	bool in_time; /* nothing happened between the reading and the learning */
	bool final;
};

static void look(struct model *model, void *arg)
{
	struct reading *reading = arg;

	reading->known = !model__view(model, reading->pid, &reading->before);
}

static void learn(struct model *model, void *arg)
{
	struct reading *reading = arg;
	struct view now;
	uint64_t space_id = reading->known ? reading->before.space_id : 0;

	if (reading->final) {
		reading->in_time = true;
	} else if (reading->known) {
		reading->in_time = model__view_holds(model, &reading->before);
	} else {
		reading->in_time = model__view(model, reading->pid, &now) != 0;
		if (!reading->in_time)
			view__free(&now);
	}
	if (reading->in_time)
		model__learn(model, reading->pid, &reading->stat, space_id, reading->began_ns,
			     &reading->maps);
}

struct found_thread_stack {
	const struct reading *reading;
	const struct proc_thread *thread;
	const struct vma *vma;
};

static void find_stack(struct model *model, void *arg)
{
	const struct found_thread_stack *found = arg;
	struct view now;

	if (model__view(model, found->reading->pid, &now))
		return;
	if (now.start_ticks == found->reading->stat.start_ticks &&
	    now.knowledge == KNOWS_SINCE_ATTACH)
		model__stack_found(model, &now, found->reading->began_ns, found->thread,
				   found->vma);
	view__free(&now);
}

/* No clone event told of the threads that were there before us. */
static void learn_stacks(struct owner *owner, struct visitor *visitor, int pidfd,
			 const struct reading *reading)
{
	_cleanup_free_ struct proc_thread *threads = NULL;
	size_t n = 0;
	int err;

	if (reading->stat.threads <= 1 || (reading->known && reading->before.learned) ||
	    visitor__enter(visitor, reading->pid))
		return;
	err = procfs__threads(pidfd, reading->pid, MAX_THREADS, &threads, &n);
	visitor__leave(visitor);
	if (err)
		return;
	for (size_t i = 0; i < n; i++) {
		struct found_thread_stack found = {
			.reading = reading,
			.thread = &threads[i],
			.vma = vma_set__thread_stack(&reading->maps, threads[i].stack_pointer),
		};

		if (found.vma)
			owner__call(owner, find_stack, &found);
	}
}

static int read_maps(struct visitor *visitor, int pidfd, struct reading *reading)
{
	int err = visitor__enter(visitor, reading->pid);

	if (err)
		return err;
	reading->began_ns = clock__boot_ns();
	err = procfs__vmas(pidfd, SMAPS_MAPS, visitor__stop(visitor), &reading->maps);
	visitor__leave(visitor);
	return err;
}

static int try_to_learn(const char *proc, struct owner *owner, struct visitor *visitor,
			struct reading *reading)
{
	_cleanup_close_ int pidfd = procfs__open(proc, reading->pid);
	int err;

	if (pidfd < 0)
		return pidfd;
	err = procfs__stat(pidfd, &reading->stat);
	if (err)
		return err;
	if (proc_stat__is_kernel_thread(&reading->stat))
		return -ESRCH;
	owner__call(owner, look, reading);
	err = read_maps(visitor, pidfd, reading);
	if (!err)
		owner__call(owner, learn, reading);
	if (!err && reading->in_time)
		learn_stacks(owner, visitor, pidfd, reading);
	vma_set__free(&reading->maps);
	if (reading->known)
		view__free(&reading->before);
	return err;
}

int sweep__process(const char *proc, struct owner *owner, struct visitor *visitor, pid_t pid)
{
	int err = 0;

	for (int i = 1; i <= LEARN_TRIES; i++) {
		struct reading reading = {.pid = pid, .final = i == LEARN_TRIES};

		err = try_to_learn(proc, owner, visitor, &reading);
		if (err || reading.in_time)
			break;
	}
	return err;
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Out of memory, it is only looked at again. */
static void pid_list__add(struct pid_list *list, pid_t pid)
{
	if (!array__grow(&list->pids, &list->cap, list->n, sizeof(*list->pids)))
		list->pids[list->n++] = pid;
}

static bool pid_list__has(const struct pid_list *list, pid_t pid)
{
	return list->n && bsearch(&pid, list->pids, list->n, sizeof(pid), by_pid);
}

struct census {
	struct sweeper *sweeper;
	struct visitor *visitor;
	struct pid_list without_memory; /* of this sweep */
	struct known_process *known;	/* sorted by tgid */
	size_t n;
	bool *seen;
};

static int visit(pid_t pid, void *ctx)
{
	struct census *census = ctx;
	const struct known_process *known;

	/* Then another thread has the sweeper, or none. */
	if (census->visitor->stop)
		return -ECANCELED;
	known = known__find(census->known, census->n, pid);
	if (known)
		census->seen[known - census->known] = true;
	/* Those that cannot be read (gone by now, not ours to read) are tried again next time. */
	if ((!known || !known->learned) &&
	    (pid_list__has(&census->sweeper->without_memory, pid) ||
	     sweep__process(census->sweeper->proc, census->sweeper->owner, census->visitor, pid) ==
		     -ESRCH))
		pid_list__add(&census->without_memory, pid);
	return 0;
}

static void drop_process(struct model *model, void *arg)
{
	const struct known_process *dead = arg;

	model__process_is_gone(model, dead->tgid, dead->start_ticks);
}

/* The list of the known is made first: a process that is on it and not in /proc later is dead,
 * while one that is missing from it may just have been born. */
static int sweep(struct sweeper *sweeper, struct visitor *visitor)
{
	struct census census = {.sweeper = sweeper, .visitor = visitor};
	_cleanup_free_ struct known_process *known = NULL;
	_cleanup_free_ bool *seen = NULL;
	int err;

	if (!sweeper->until_all--) {
		sweeper->until_all = SWEEPS_LEFT_OUT_MAX;
		sweeper->without_memory.n = 0;
	}
	err = owner__processes(sweeper->owner, &census.known, &census.n);
	if (err)
		return err;
	known = census.known;
	seen = census.seen = calloc(census.n + 1, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	err = procfs__each(sweeper->proc, visit, &census);
	if (visitor->stop) {
		free(census.without_memory.pids);
		return -ECANCELED;
	}
	for (size_t i = 0; !err && i < census.n; i++) {
		if (!seen[i])
			owner__call(sweeper->owner, drop_process, &known[i]);
	}
	if (census.without_memory.n)
		qsort(census.without_memory.pids, census.without_memory.n, sizeof(pid_t), by_pid);
	free(sweeper->without_memory.pids);
	sweeper->without_memory = census.without_memory;
	return err;
}

static void sweep_if_needed(struct sweeper *sweeper, struct visitor *visitor)
{
	char tasks[PROC_TASKS_LEN];

	if (procfs__tasks(sweeper->proc, tasks))
		tasks[0] = '\0';
	if (tasks[0] && !strcmp(tasks, sweeper->tasks) && ++sweeper->left_out < SWEEPS_LEFT_OUT_MAX)
		return;
	sweeper->left_out = 0;
	sweeper->tasks[0] = '\0';
	if (!sweep(sweeper, visitor)) {
		strcpy(sweeper->tasks, tasks);
		sweeper->ready = true;
	}
}

static void run(struct visitor *visitor, void *arg)
{
	struct sweeper *sweeper = arg;

	while (!visitor->stop) {
		uint64_t next_ns;

		sweep_if_needed(sweeper, visitor);
		next_ns = clock__monotonic_ns() + SWEEP_EVERY_NS;
		pthread_mutex_lock(&sweeper->lock);
		while (!visitor->stop && waiter__wait(&sweeper->wake, &sweeper->lock, next_ns))
			;
		pthread_mutex_unlock(&sweeper->lock);
	}
}

static void wake(void *arg)
{
	struct sweeper *sweeper = arg;

	pthread_mutex_lock(&sweeper->lock);
	pthread_cond_broadcast(&sweeper->wake);
	pthread_mutex_unlock(&sweeper->lock);
}

static const struct crew_work sweeping = {.name = "sweeper", .run = run, .wake = wake};

int sweeper__new(const char *proc, struct owner *owner, struct crew *crew, struct sweeper **ret)
{
	struct sweeper *sweeper = calloc(1, sizeof(*sweeper));
	int err;

	if (!sweeper)
		return -ENOMEM;
	sweeper->proc = proc;
	sweeper->owner = owner;
	pthread_mutex_init(&sweeper->lock, NULL);
	pthread_cond_init(&sweeper->wake, NULL);
	err = crew__start(crew, &sweeping, sweeper);
	if (err) {
		sweeper__free(sweeper);
		return err;
	}
	*ret = sweeper;
	return 0;
}

void sweeper__free(struct sweeper *sweeper)
{
	if (!sweeper)
		return;
	pthread_cond_destroy(&sweeper->wake);
	pthread_mutex_destroy(&sweeper->lock);
	free(sweeper->without_memory.pids);
	free(sweeper);
}

bool sweeper__ready(const struct sweeper *sweeper)
{
	return sweeper->ready;
}
