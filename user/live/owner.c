// SPDX-License-Identifier: BSD-2-Clause
#include "live/owner.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/thread.h"

/* Often enough that the ring does not fill between wakeups, rarely enough to cost nothing. */
#define DRAIN_EVERY_MS 200

struct owner {
	struct collector *collector;
	struct model *model;
	struct cpu_limit *cpu_limit; /* borrowed; NULL: there is none */
	pthread_t thread;
	bool running;
	uint64_t attached_ns;
	int epoll;
	int wake;

	/* The thread whose turn it is has the collector and the model: first come, first served, so
	 * that a call gets in between two drains of a storm. */
	pthread_mutex_t lock;
	pthread_cond_t turn;
	uint64_t serving;
	uint64_t next;
	atomic_bool stop;
};

static void on_event(const union mp_event *event, void *ctx)
{
	struct owner *owner = ctx;

	model__apply(owner->model, event);
}

static void on_lost(uint32_t tgid, const struct mp_lost_range *range, void *ctx)
{
	struct owner *owner = ctx;

	model__lost(owner->model, tgid, range);
}

static void on_empty_lost(uint32_t tgid, const struct mp_lost_range *range, void *ctx)
{
	struct owner *owner = ctx;

	model__empty_lost(owner->model, tgid, range);
}

static void begin_turn(struct owner *owner)
{
	uint64_t mine;

	pthread_mutex_lock(&owner->lock);
	mine = owner->next++;
	while (owner->serving != mine)
		pthread_cond_wait(&owner->turn, &owner->lock);
	pthread_mutex_unlock(&owner->lock);
}

static void end_turn(struct owner *owner)
{
	pthread_mutex_lock(&owner->lock);
	if (++owner->serving != owner->next)
		pthread_cond_broadcast(&owner->turn);
	pthread_mutex_unlock(&owner->lock);
}

/* What the thread's drains cost has to be paid for, and storms are pressed if it is too much. */
static void pay(struct owner *owner, uint64_t *cpu_ns)
{
	uint64_t now = clock__boot_ns(), cpu = clock__thread_cpu_ns();

	if (owner->cpu_limit) {
		cpu_limit__spend(owner->cpu_limit, CPU_EVENTS, now, cpu - *cpu_ns);
		collector__press(owner->collector, cpu_limit__pressure(owner->cpu_limit, now));
	}
	*cpu_ns = cpu;
}

static void *owner_thread(void *arg)
{
	struct owner *owner = arg;
	struct epoll_event events[2];
	uint64_t cpu_ns = clock__thread_cpu_ns();
	int n;

	while (!owner->stop) {
		pay(owner, &cpu_ns);
		n = epoll_wait(owner->epoll, events, ARRAY_SIZE(events), DRAIN_EVERY_MS);
		if (!n && collector__is_idle(owner->collector))
			continue;
		begin_turn(owner);
		collector__drain(owner->collector, false);
		end_turn(owner);
	}
	return NULL;
}

static int watch(struct owner *owner, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(owner->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int watch_all(struct owner *owner)
{
	int err;

	owner->epoll = epoll_create1(EPOLL_CLOEXEC);
	owner->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (owner->epoll < 0 || owner->wake < 0)
		return -errno;
	err = watch(owner, owner->wake);
	return err ?: watch(owner, collector__fd(owner->collector));
}

int owner__new(const struct owner_config *config, char *why, size_t why_len, struct owner **ret)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	struct collector_config collector = {
		.backend = config->backend,
		.touch_rate = config->touch_rate,
		.ring_size = config->ring_size,
		.storm_rate = config->storm_rate,
		.unwind = config->unwind,
		.stack_min = config->stack_min,
		.on_event = on_event,
		.on_lost = on_lost,
		.on_empty_lost = on_empty_lost,
		.ctx = owner,
		.touch_backlog = config->touch_backlog,
		.backlog_ctx = config->model.stack_ctx,
	};
	struct model_config model = config->model;
	int err;

	model.page_size = sysconf(_SC_PAGESIZE);
	snprintf(why, why_len, "out of memory");
	if (!owner)
		return -ENOMEM;
	owner->epoll = owner->wake = -1;
	pthread_mutex_init(&owner->lock, NULL);
	pthread_cond_init(&owner->turn, NULL);

	err = collector__new(&collector, why, why_len, &owner->collector);
	if (!err) {
		/* Taken when all is attached: from here on nothing is missed. */
		model.attached_ns = owner->attached_ns = clock__boot_ns();
		owner->model = model__new(&model);
		err = owner->model ? watch_all(owner) : -ENOMEM;
		if (err)
			snprintf(why, why_len, "%s", strerror(-err));
	}
	if (err) {
		owner__free(owner);
		return err;
	}
	owner->cpu_limit = config->cpu_limit;
	*ret = owner;
	return 0;
}

int owner__start(struct owner *owner)
{
	int err = thread__start(&owner->thread, "drain", owner_thread, owner);

	owner->running = !err;
	return err;
}

void owner__free(struct owner *owner)
{
	if (!owner)
		return;
	if (owner->running) {
		owner->stop = true;
		eventfd_write(owner->wake, 1);
		pthread_join(owner->thread, NULL);
	}
	collector__free(owner->collector);
	model__free(owner->model);
	if (owner->epoll >= 0)
		close(owner->epoll);
	if (owner->wake >= 0)
		close(owner->wake);
	pthread_cond_destroy(&owner->turn);
	pthread_mutex_destroy(&owner->lock);
	free(owner);
}

enum attach_by owner__attached_by(const struct owner *owner)
{
	return collector__attached_by(owner->collector);
}

enum touch_state owner__touch_state(const struct owner *owner)
{
	return collector__touch_state(owner->collector);
}

uint64_t owner__attached_ns(const struct owner *owner)
{
	return owner->attached_ns;
}

bool owner__may_free_lazily(const struct owner *owner, pid_t tgid)
{
	return collector__may_free_lazily(owner->collector, tgid);
}

int owner__kills_map(const struct owner *owner)
{
	return collector__kills_map(owner->collector);
}

uint64_t owner__kills_lost(const struct owner *owner)
{
	return collector__kills_lost(owner->collector);
}

const char *owner__why_no_touch(const struct owner *owner)
{
	return collector__why_no_touch(owner->collector);
}

struct collector *owner__collector(struct owner *owner)
{
	return owner->collector;
}

static void call(struct owner *owner, bool exact, owner_fn *fn, void *arg)
{
	begin_turn(owner);
	collector__drain(owner->collector, exact);
	fn(owner->model, arg);
	end_turn(owner);
}

void owner__call(struct owner *owner, owner_fn *fn, void *arg)
{
	call(owner, false, fn, arg);
}

void owner__call_exact(struct owner *owner, owner_fn *fn, void *arg)
{
	call(owner, true, fn, arg);
}

struct list_call {
	struct known_process *list;
	size_t n;
	int err;
};

static void list_processes(struct model *model, void *arg)
{
	struct list_call *call = arg;

	call->err = model__processes(model, &call->list, &call->n);
}

static int by_tgid(const void *a, const void *b)
{
	const struct known_process *x = a, *y = b;

	return (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

int owner__processes(struct owner *owner, struct known_process **ret, size_t *ret_n)
{
	struct list_call call = {};

	owner__call_exact(owner, list_processes, &call);
	if (call.err)
		return call.err;
	qsort(call.list, call.n, sizeof(*call.list), by_tgid);
	*ret = call.list;
	*ret_n = call.n;
	return 0;
}

const struct known_process *known__find(const struct known_process *list, size_t n, pid_t tgid)
{
	const struct known_process key = {.tgid = tgid};

	return n ? bsearch(&key, list, n, sizeof(key), by_tgid) : NULL;
}

struct stats_call {
	struct collector *collector;
	struct owner_stats *ret;
};

static void take_stats(struct model *model, void *arg)
{
	struct stats_call *call = arg;

	collector__stats(call->collector, &call->ret->collector);
	model__stats(model, &call->ret->model);
	call->ret->collector.lost[MP_LOSS_NAME_UNREADABLE] += call->ret->model.unread_names;
}

void owner__stats(struct owner *owner, struct owner_stats *ret)
{
	struct stats_call call = {owner->collector, ret};

	owner__call_exact(owner, take_stats, &call);
}
