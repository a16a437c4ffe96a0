// SPDX-License-Identifier: BSD-2-Clause
#include "proc/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "util/clock.h"
#include "util/thread.h"
#include "util/waiter.h"

/*
 * A visitor is stuck that has not moved for 2 s, or was blocked for 10 s in all of one visit. When
 * others are stuck already, 1 s is enough, then half a second: a process that holds one map may
 * hold many, and a report of all processes finds them one after the other.
 */
#define LOOK_NS		(NSEC_PER_SEC / 4)
#define STILL_LOOKS	8
#define STILL_LOOKS_MIN 2
#define BLOCKED_LOOKS	40

/* One that waits for another to leave asks so often, and this many times. */
#define ASK_NS	  (NSEC_PER_SEC / 100)
#define ASK_TIMES 250

#define STAT_MAX 1024

struct role {
	STAILQ_ENTRY(role) entry; /* while no thread has it */
	const struct crew_work *work;
	void *arg;
};

struct crew {
	const char *proc;
	pthread_mutex_t lock;
	pthread_cond_t roles;	 /* one is vacant, or stopping was set */
	pthread_cond_t returned; /* a thread has, from its work; or ended */
	pthread_cond_t begun;	 /* the first visit, or the end */
	pthread_cond_t end;	 /* for a watchman that is watchful */
	pthread_cond_t left;	 /* for visitors that wait to enter; never signalled */
	bool stopping;
	bool ended;    /* nothing is watched any more */
	bool watchful; /* the watchman looks now and then; else it sleeps until a visit begins */
	STAILQ_HEAD(, role) vacant;
	pthread_t watchman;
	size_t live;	/* threads, but for the watchman */
	size_t working; /* of them */
	size_t n;
	struct visitor visitors[];
};

/* The lock is held. */
static void wait_for(struct crew *crew, pthread_cond_t *cond, uint64_t ns)
{
	waiter__wait(cond, &crew->lock, clock__monotonic_ns() + ns);
}

/* --- watching -------------------------------------------------------------------------------- */

static bool is_blocked(const struct visitor *v)
{
	struct proc_stat stat;
	char text[STAT_MAX];
	ssize_t n = pread(v->stat, text, sizeof(text), 0);

	return n > 0 && !proc_stat__parse(text, n, &stat) && stat.state != 'R';
}

static uint64_t cpu_ns(const struct visitor *v)
{
	struct timespec ts = {};

	clock_gettime(v->clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The user of the process. The directory's owner is that of one that is not dumpable, too. */
static uid_t user_of(const struct crew *crew, pid_t pid)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%d", crew->proc, pid);
	return stat(path, &st) ? (uid_t)-1 : st.st_uid;
}

static bool is_stuck(struct visitor *v, unsigned still_looks)
{
	uint64_t cpu = cpu_ns(v);
	bool blocked = is_blocked(v);

	v->blocked += blocked;
	v->still = blocked && cpu == v->cpu_ns ? v->still + 1 : 0;
	v->cpu_ns = cpu;
	return v->still >= still_looks || v->blocked >= BLOCKED_LOOKS;
}

static void replace(struct crew *crew, struct visitor *v)
{
	struct role *role = v->role;

	v->stuck = true;
	v->stop = true;
	v->role = NULL;
	v->uid = user_of(crew, v->pid);
	if (role->work->replaced)
		role->work->replaced(v, role->arg);
	STAILQ_INSERT_TAIL(&crew->vacant, role, entry);
	pthread_cond_signal(&crew->roles);
}

/* True when there are visits that it must look at again. */
static bool look_at_all(struct crew *crew)
{
	unsigned still_looks = STILL_LOOKS;
	bool visits = false;

	for (struct visitor *v = crew->visitors; v < crew->visitors + crew->n; v++) {
		if (v->stuck && still_looks > STILL_LOOKS_MIN)
			still_looks /= 2;
	}
	for (struct visitor *v = crew->visitors; v < crew->visitors + crew->n; v++) {
		if (!v->pid || !v->role)
			continue;
		visits = true;
		if (is_stuck(v, still_looks))
			replace(crew, v);
	}
	return visits;
}

static void *watch(void *arg)
{
	struct crew *crew = arg;

	pthread_mutex_lock(&crew->lock);
	while (!crew->ended) {
		if (crew->watchful)
			wait_for(crew, &crew->end, LOOK_NS);
		else
			pthread_cond_wait(&crew->begun, &crew->lock);
		if (crew->watchful)
			crew->watchful = look_at_all(crew);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

/* --- visits ---------------------------------------------------------------------------------- */

/* -EAGAIN: another is blocked there, for now. */
static int is_open(const struct visitor *v, pid_t pid)
{
	const struct crew *crew = v->crew;
	size_t stuck = 0, of_user = 0;
	uid_t uid;

	for (const struct visitor *w = crew->visitors; w < crew->visitors + crew->n; w++) {
		if (w == v || !w->pid)
			continue;
		if (w->pid == pid && w->stuck)
			return -ETIMEDOUT;
		if (w->pid == pid && is_blocked(w))
			return -EAGAIN;
		stuck += w->stuck;
	}
	if (!stuck)
		return 0;
	uid = user_of(crew, pid);
	for (const struct visitor *w = crew->visitors; w < crew->visitors + crew->n; w++)
		of_user += w->stuck && w->uid == uid;
	/* So a user can have half of the reserve, the next one half of what is left. */
	return of_user && of_user >= crew->live - crew->working ? -EUSERS : 0;
}

int visitor__enter(struct visitor *v, pid_t pid)
{
	struct crew *crew = v ? v->crew : NULL;
	int err = -EAGAIN;

	if (!crew)
		return 0;
	pthread_mutex_lock(&crew->lock);
	for (int i = 0; err == -EAGAIN && i < ASK_TIMES; i++) {
		if (i)
			wait_for(crew, &crew->left, ASK_NS);
		err = v->stop ? -ECANCELED : is_open(v, pid);
	}
	if (!err) {
		v->pid = pid;
		v->still = v->blocked = 0;
		if (!crew->watchful)
			pthread_cond_signal(&crew->begun);
		crew->watchful = true;
	}
	pthread_mutex_unlock(&crew->lock);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

void visitor__leave(struct visitor *v)
{
	if (!v || !v->crew)
		return;
	pthread_mutex_lock(&v->crew->lock);
	v->pid = 0;
	v->stuck = false;
	pthread_mutex_unlock(&v->crew->lock);
}

void crew__stats(struct crew *crew, struct crew_stats *ret)
{
	struct crew_stats stats = {};
	const struct role *role;
	size_t vacant = 0;

	pthread_mutex_lock(&crew->lock);
	for (const struct visitor *v = crew->visitors; v < crew->visitors + crew->n; v++) {
		bool counted = false;

		for (const struct visitor *w = crew->visitors; w < v; w++)
			counted |= w->stuck && w->pid == v->pid;
		stats.stuck += v->stuck;
		stats.processes += v->stuck && !counted;
	}
	stats.reserve = crew->live - crew->working;
	/* Those that the reserve is about to take are not idle. */
	STAILQ_FOREACH(role, &crew->vacant, entry)
	{
		if (vacant++ == stats.reserve)
			stats.idle = role->work->name;
	}
	pthread_mutex_unlock(&crew->lock);
	*ret = stats;
}

/* --- threads --------------------------------------------------------------------------------- */

/* The lock is held, but while it works. */
static void work(struct crew *crew, struct visitor *v, struct role *role)
{
	const struct crew_work *what = role->work;
	void *arg = role->arg;

	v->role = role;
	v->stop = crew->stopping;
	v->job = NULL;
	crew->working++;
	pthread_mutex_unlock(&crew->lock);
	pthread_setname_np(pthread_self(), what->name);
	what->run(v, arg);
	pthread_setname_np(pthread_self(), "reserve");
	pthread_mutex_lock(&crew->lock);
	crew->working--;
	/* Otherwise it was replaced, and the role is another's. */
	if (v->role)
		free(v->role);
	v->role = NULL;
	pthread_cond_broadcast(&crew->returned);
}

static void *visitor_thread(void *arg)
{
	struct visitor *v = arg;
	struct crew *crew = v->crew;
	struct role *role;

	pthread_mutex_lock(&crew->lock);
	pthread_getcpuclockid(pthread_self(), &v->clock);
	v->stat = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
	while (!crew->stopping) {
		role = STAILQ_FIRST(&crew->vacant);
		if (role) {
			STAILQ_REMOVE_HEAD(&crew->vacant, entry);
			work(crew, v, role);
		} else {
			pthread_cond_wait(&crew->roles, &crew->lock);
		}
	}
	crew->live--;
	pthread_cond_broadcast(&crew->returned);
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

int crew__new(const char *proc, size_t threads, struct crew **ret)
{
	struct crew *crew = calloc(1, sizeof(*crew) + threads * sizeof(crew->visitors[0]));
	int err;

	if (!crew)
		return -ENOMEM;
	crew->proc = proc;
	STAILQ_INIT(&crew->vacant);
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->roles, NULL);
	pthread_cond_init(&crew->returned, NULL);
	pthread_cond_init(&crew->begun, NULL);
	pthread_cond_init(&crew->end, NULL);
	pthread_cond_init(&crew->left, NULL);
	err = thread__start(&crew->watchman, "watchman", watch, crew);
	if (err) {
		free(crew);
		return err;
	}
	pthread_mutex_lock(&crew->lock);
	for (; !err && crew->n < threads; crew->n += !err) {
		struct visitor *v = &crew->visitors[crew->n];

		v->crew = crew;
		v->stat = -1;
		err = thread__start(&v->thread, "reserve", visitor_thread, v);
		crew->live += !err;
	}
	pthread_mutex_unlock(&crew->lock);
	if (err) {
		crew__stop(crew, UINT64_MAX / 2);
		crew__free(crew);
		return err;
	}
	*ret = crew;
	return 0;
}

int crew__start(struct crew *crew, const struct crew_work *work, void *arg)
{
	struct role *role = calloc(1, sizeof(*role));

	if (!role)
		return -ENOMEM;
	role->work = work;
	role->arg = arg;
	pthread_mutex_lock(&crew->lock);
	STAILQ_INSERT_TAIL(&crew->vacant, role, entry);
	pthread_cond_signal(&crew->roles);
	pthread_mutex_unlock(&crew->lock);
	return 0;
}

static void tell_all(struct crew *crew)
{
	crew->stopping = true;
	pthread_cond_broadcast(&crew->roles);
	for (struct visitor *v = crew->visitors; v < crew->visitors + crew->n; v++) {
		v->stop = true;
		if (v->role && v->role->work->wake)
			v->role->work->wake(v->role->arg);
	}
}

int crew__stop(struct crew *crew, uint64_t grace_ns)
{
	uint64_t end_ns = clock__monotonic_ns() + grace_ns;
	bool in_time = true;
	int err;

	if (!crew)
		return 0;
	pthread_mutex_lock(&crew->lock);
	if (!crew->stopping)
		tell_all(crew);
	while (crew->live && in_time)
		in_time = waiter__wait(&crew->returned, &crew->lock, end_ns);
	err = crew->live ? -EBUSY : 0;
	pthread_mutex_unlock(&crew->lock);
	return err;
}

void crew__free(struct crew *crew)
{
	struct role *role, *next;

	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->ended = true;
	pthread_cond_signal(&crew->begun);
	pthread_cond_signal(&crew->end);
	pthread_mutex_unlock(&crew->lock);
	pthread_join(crew->watchman, NULL);
	for (struct visitor *v = crew->visitors; v < crew->visitors + crew->n; v++) {
		pthread_join(v->thread, NULL);
		if (v->stat >= 0)
			close(v->stat);
	}
	for (role = STAILQ_FIRST(&crew->vacant); role; role = next) {
		next = STAILQ_NEXT(role, entry);
		free(role);
	}
	pthread_cond_destroy(&crew->left);
	pthread_cond_destroy(&crew->end);
	pthread_cond_destroy(&crew->begun);
	pthread_cond_destroy(&crew->returned);
	pthread_cond_destroy(&crew->roles);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}
