// SPDX-License-Identifier: BSD-2-Clause
#include "blackbox/blackbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "blackbox/victims.h"
#include "blackbox/watch.h"
#include "collect/kills.h"
#include "growth/growth.h"
#include "history/history.h"
#include "live/owner.h"
#include "proc/cgroup_tree.h"
#include "proc/credentials.h"
#include "proc/crew.h"
#include "proc/memory.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "report/take.h"
#include "util/array.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/number.h"

/* Of one place at once: the largest, if they have so much of what is used. */
#define LARGEST	     3
#define LARGEST_PART 10

/* CPU time for reports: so much at once, then a hundredth of a CPU. */
#define SPEND_NS   (2 * NSEC_PER_SEC)
#define SPEND_PART 100

#define TICK_NS (NSEC_PER_SEC / PROC_TICKS_PER_SEC)
#define MS_NS	1000000

struct blackbox {
	const char *proc;
	struct history *history;
	struct growth *growth;
	struct taker *taker;
	struct owner *owner;
	int wake;	      /* eventfd */
	struct reader daemon; /* as which it could read others */
	bool knows_itself;

	/* The thread's. */
	struct watch *watch;
	struct kills *kills;
	struct kept kept;
	struct victims victims;
	uint64_t spent_until_ns; /* the generic cell rate algorithm's time stamp */

	pthread_mutex_t lock; /* guards what follows */
	struct ooms ooms;
	struct blackbox_stats stats;
};

/* --- the processes of a place -------------------------------------------------------------- */

struct found {
	const char *proc;
	struct oom_process *processes;
	size_t n, cap;
};

static void find(pid_t pid, void *ctx)
{
	struct found *found = ctx;
	struct proc_memory memory;

	if (procfs__memory_of(found->proc, pid, &memory) || !memory.rss ||
	    array__grow(&found->processes, &found->cap, found->n, sizeof(*found->processes)))
		return;
	found->processes[found->n++] = (struct oom_process){.pid = pid, .rss = memory.rss};
}

static int find_each(pid_t pid, void *ctx)
{
	find(pid, ctx);
	return 0;
}

static int by_rss(const void *a, const void *b)
{
	const struct oom_process *x = a, *y = b;

	return (x->rss < y->rss) - (x->rss > y->rss);
}

/* Largest first; place NULL: the node's. */
static struct found find_processes(const struct blackbox *b, const struct place *place)
{
	struct found found = {.proc = b->proc};
	_cleanup_close_ int dirfd = place ? watch__open(b->watch, place) : -ENOENT;

	if (dirfd >= 0)
		cgroup_tree__each_process(dirfd, find, &found);
	else if (dirfd == -ENOENT && (!place || !place->path[0]))
		procfs__each(b->proc, find_each, &found);
	if (found.n)
		qsort(found.processes, found.n, sizeof(*found.processes), by_rss);
	return found;
}

/* --- reports beforehand -------------------------------------------------------------------- */

static void free_report(struct report **report)
{
	report__free(*report);
}

static uid_t user_of(int pidfd)
{
	struct credentials credentials;
	uid_t uid;

	if (credentials__read(pidfd, &credentials))
		return -1;
	uid = credentials.uids[0];
	for (size_t i = 1; i < ARRAY_SIZE(credentials.uids); i++)
		uid = credentials.uids[i] == uid ? uid : (uid_t)-1;
	return uid;
}

static void take_report(struct blackbox *b, struct visitor *visitor, pid_t pid)
{
	_cleanup_(free_report) struct report *report = NULL;
	_cleanup_close_ int pidfd = procfs__open(b->proc, pid);
	struct proc_stat stat;
	uid_t uid;

	if (pidfd < 0 || procfs__stat(pidfd, &stat))
		return;
	uid = user_of(pidfd);
	/* A thread that was left behind in there finds that another has its work. */
	if (taker__process(b->taker, pid, DETAIL_FULL, &CALLER_OURSELVES, visitor, &report) ||
	    visitor->stop)
		return;
	if (kept__add(&b->kept, report, stat.start_ticks, uid))
		return;
	pthread_mutex_lock(&b->lock);
	b->stats.reports++;
	pthread_mutex_unlock(&b->lock);
}

static void take_reports(struct blackbox *b, struct visitor *visitor, struct place *place)
{
	struct found found = find_processes(b, place);

	watch__reported(b->watch, place);
	for (size_t i = 0; i < found.n && i < LARGEST && !visitor->stop; i++) {
		if (found.processes[i].rss >= place->usage / LARGEST_PART)
			take_report(b, visitor, found.processes[i].pid);
	}
	free(found.processes);
}

static void report_where_short(struct blackbox *b, struct visitor *visitor)
{
	struct place *place;

	while (!visitor->stop && b->spent_until_ns < clock__boot_ns() + SPEND_NS * SPEND_PART &&
	       (place = watch__wants_reports(b->watch))) {
		uint64_t cpu = clock__thread_cpu_ns(), now = clock__boot_ns();

		take_reports(b, visitor, place);
		if (visitor->stop)
			return;
		if (b->spent_until_ns < now)
			b->spent_until_ns = now;
		b->spent_until_ns += (clock__thread_cpu_ns() - cpu) * SPEND_PART;
	}
}

/* --- kills --------------------------------------------------------------------------------- */

static void read_comm(int pidfd, char *comm, size_t len)
{
	struct proc_stat stat;

	if (pidfd >= 0 && !procfs__stat(pidfd, &stat))
		snprintf(comm, len, "%s", stat.comm);
}

static bool read_score(int pidfd, int *ret)
{
	_cleanup_buf_ struct buf text = {};
	const char *pos;
	uint64_t value;

	if (pidfd < 0 || procfs__read(pidfd, "oom_score_adj", 64, &text) || !text.len)
		return false;
	pos = text.data + (text.data[0] == '-');
	if (number__scan(&pos, text.data + text.len, 10, &value) || value > 1000)
		return false;
	*ret = text.data[0] == '-' ? -(int)value : (int)value;
	return true;
}

static void add_others(struct blackbox *b, struct oom *oom, const struct place *place)
{
	struct found found = find_processes(b, place);

	for (size_t i = 0; i < found.n && oom->n_others < OTHERS_MAX; i++) {
		struct oom_process *other = &oom->others[oom->n_others];
		_cleanup_close_ int pidfd = -1;

		if (found.processes[i].pid == oom->victim.pid)
			continue;
		*other = found.processes[i];
		pidfd = procfs__open(b->proc, other->pid);
		read_comm(pidfd, other->comm, sizeof(other->comm));
		oom->n_others++;
	}
	free(found.processes);
}

static struct oom_process process_of(pid_t pid, const char *comm)
{
	struct oom_process process = {.pid = pid};

	snprintf(process.comm, sizeof(process.comm), "%s", comm);
	return process;
}

static void fill_victim(struct blackbox *b, const struct mp_kill *kill, int pidfd, struct oom *oom)
{
	struct oom_process *victim = &oom->victim;
	struct proc_memory memory;

	*victim = process_of(kill->tgid, kill->comm);
	victim->rss = kill->rss * sysconf(_SC_PAGESIZE);
	oom->score_adj = kill->score_adj;
	oom->has_score_adj = kill->start_ns || read_score(pidfd, &oom->score_adj);
	oom->victim_uid = oom->report	   ? oom->report->uid
			  : kill->start_ns ? kill->uid
			  : pidfd >= 0	   ? user_of(pidfd)
					   : (uid_t)-1;
	if (!victim->comm[0] && oom->report)
		memcpy(victim->comm, oom->report->comm, sizeof(victim->comm));
	else if (!victim->comm[0])
		read_comm(pidfd, victim->comm, sizeof(victim->comm));
	if (!victim->rss && pidfd >= 0 && !procfs__memory(pidfd, &memory))
		victim->rss = memory.rss;
	if (!victim->rss && oom->report)
		victim->rss = oom->report->rss;
}

static void record_kill(struct blackbox *b, const struct mp_kill *kill)
{
	uint64_t start_ticks = kill->start_ns / TICK_NS;
	const struct kept_report *report = kept__find(&b->kept, kill->tgid, start_ticks);
	_cleanup_close_ int pidfd = procfs__open(b->proc, kill->tgid);
	const struct place *place = watch__hit(b->watch, kill->cgroups);
	struct oom oom = {
		.at_ns = kill->time_ns,
		.scope = place ? OOM_CGROUP : OOM_NODE,
		.cgroup = place ? place->path : NULL,
		.limit = place ? place->limit : watch__node_limit(b->watch),
		.trigger = process_of(kill->trigger_tgid, kill->trigger_comm),
		.report = report,
	};
	_cleanup_buf_ struct buf growth = {};
	const struct oom_entry *entry;
	int err;

	growth__encode_of(b->growth, kill->tgid, start_ticks, &growth);
	oom.growth = &growth;
	fill_victim(b, kill, pidfd, &oom);
	add_others(b, &oom, place);
	pthread_mutex_lock(&b->lock);
	err = ooms__add(&b->ooms, &oom);
	if (!err) {
		entry = ooms__find(&b->ooms, b->ooms.last_id);
		history__keep_kill(b->history, entry->id, entry->uid, entry->texts);
	}
	b->stats.kills[oom.scope]++;
	pthread_mutex_unlock(&b->lock);
	log_info("process %d (%s) was killed for want of memory%s%s: /debug/memory/oom has %s",
		 oom.victim.pid, oom.victim.comm, place ? ", at the limit of " : " of the node",
		 place ? place->path : "",
		 err	  ? "no room for it"
		 : report ? "its last report"
			  : "what is known");
}

static void on_kill(const struct mp_kill *kill, void *ctx)
{
	struct blackbox *b = ctx;

	if (victims__add(&b->victims, kill->tgid, kill->start_ns))
		record_kill(b, kill);
}

/* --- the thread ---------------------------------------------------------------------------- */

static void wait_until(struct blackbox *b, uint64_t until_ns)
{
	struct pollfd fds[] = {
		{.fd = kills__fd(b->kills), .events = POLLIN},
		{.fd = b->wake, .events = POLLIN},
	};
	uint64_t now = clock__boot_ns();

	poll(fds, ARRAY_SIZE(fds), until_ns > now ? (until_ns - now) / MS_NS + 1 : 0);
}

static void run(struct visitor *visitor, void *arg)
{
	struct blackbox *b = arg;

	while (!visitor->stop) {
		uint64_t next;

		kills__drain(b->kills);
		next = watch__look(b->watch);
		report_where_short(b, visitor);
		if (!visitor->stop)
			wait_until(b, next);
	}
}

static void wake(void *arg)
{
	struct blackbox *b = arg;
	uint64_t one = 1;

	if (write(b->wake, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

static const struct crew_work watching = {.name = "black box", .run = run, .wake = wake};

struct blackbox *blackbox__new(const char *proc, struct history *history, struct growth *growth)
{
	struct blackbox *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->proc = proc;
	b->history = history;
	b->growth = growth;
	pthread_mutex_init(&b->lock, NULL);
	b->watch = watch__new(proc);
	b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->watch && b->wake >= 0)
		return b;
	blackbox__free(b);
	return NULL;
}

static void restore(const struct kill_entry *kept, void *ctx)
{
	struct blackbox *b = ctx;

	ooms__restore(&b->ooms, kept);
}

int blackbox__start(struct blackbox *b, struct taker *taker, struct owner *owner, struct crew *crew)
{
	_cleanup_close_ int self = -1;
	int err = kills__new(owner__kills_map(owner), on_kill, b, &b->kills);

	if (err)
		return err;
	/* In a procfs that does not show us, no other caller's namespaces are known to be ours. */
	self = procfs__open(b->proc, self__pid(b->proc));
	b->knows_itself = self >= 0 && !reader__of(self, &b->daemon);
	b->taker = taker;
	b->owner = owner;
	history__each_kill(b->history, restore, b);
	return crew__start(crew, &watching, b);
}

void blackbox__free(struct blackbox *b)
{
	if (!b)
		return;
	kills__free(b->kills);
	watch__free(b->watch);
	kept__free(&b->kept);
	ooms__free(&b->ooms);
	if (b->wake >= 0)
		close(b->wake);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* --- answers ------------------------------------------------------------------------------- */

struct seer {
	const struct caller *caller;
	const struct reader *daemon; /* NULL: not known */
};

/* The victim has gone, so the kernel cannot be asked: its user may, and a process that may trace
 * all that the daemon's namespaces have. */
static bool may_see(uid_t uid, const void *ctx)
{
	const struct seer *seer = ctx;
	const struct reader *reader = &seer->caller->reader, *daemon = seer->daemon;

	if (seer->caller->everything)
		return true;
	if (!daemon || !namespace__equal(&reader->user, &daemon->user) ||
	    !namespace__equal(&reader->pid, &daemon->pid))
		return false;
	return (uid != (uid_t)-1 && uid == reader->uid) ||
	       reader->effective & CAPABILITY_BIT(CAP_SYS_PTRACE);
}

void blackbox__encode(struct blackbox *b, const struct caller *caller, bool json, bool brief,
		      struct buf *ret)
{
	struct seer seer = {caller, b->knows_itself ? &b->daemon : NULL};

	pthread_mutex_lock(&b->lock);
	if (json)
		ooms__encode_json(&b->ooms, may_see, &seer, brief, ret);
	else
		ooms__encode_text(&b->ooms, may_see, &seer, ret);
	pthread_mutex_unlock(&b->lock);
}

int blackbox__encode_one(struct blackbox *b, const struct caller *caller, uint64_t id, bool json,
			 struct buf *ret)
{
	struct seer seer = {caller, b->knows_itself ? &b->daemon : NULL};
	const struct oom_entry *entry;
	int err = -ENOENT;

	pthread_mutex_lock(&b->lock);
	entry = ooms__find(&b->ooms, id);
	if (entry)
		err = may_see(entry->uid, &seer) ? 0 : -EACCES;
	if (!err)
		oom_entry__encode(entry, json, ret);
	pthread_mutex_unlock(&b->lock);
	return err;
}

void blackbox__stats(struct blackbox *b, struct blackbox_stats *ret)
{
	pthread_mutex_lock(&b->lock);
	*ret = b->stats;
	pthread_mutex_unlock(&b->lock);
	ret->lost = owner__kills_lost(b->owner);
}
