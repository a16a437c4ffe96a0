// SPDX-License-Identifier: BSD-2-Clause
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blackbox/blackbox.h"
#include "cli/progress.h"
#include "growth/growth.h"
#include "history/history.h"
#include "live/owner.h"
#include "live/sweep.h"
#include "live/unwinder.h"
#include "notify/notifier.h"
#include "options/options.h"
#include "proc/cgroup.h"
#include "proc/crew.h"
#include "proc/hidepid.h"
#include "report/metrics.h"
#include "report/observer.h"
#include "serve/request.h"
#include "serve/server.h"
#include "serve/tls.h"
#include "tracer/memory_limit.h"
#include "tracer/privilege.h"
#include "syscalls.h"
#include "tracer/tracer.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define TRIM_EVERY_S 10

struct daemon {
	struct tracer tracer;
	struct server *server;
	struct history *history;
	struct growth *growth;
	struct observers observers;
	struct notifier *notifier; /* NULL: there is no Alertmanager */
	char alerts_url[128];	   /* where an alert's reader is sent */
	struct spinner *spinner;   /* NULL: no terminal, or no more */
	struct memory_watch memory;
	enum launcher_state launcher; /* as the log says */

	pthread_mutex_t lock; /* guards snapshots */
	struct duration_histogram snapshots;
};

static const char *const launcher_says[] = {
	[LAUNCHER_SERVES] = "the launcher answers again: call sites have names",
	[LAUNCHER_IS_LATE] =
		"the launcher does not answer: until it does, new call sites are module "
		"and offset",
	[LAUNCHER_HAS_ENDED] =
		"the launcher has ended, which starts the symbolizer: new call sites "
		"are module and offset until memprov is started again",
};

static enum launcher_state launcher_state(const struct daemon *d)
{
	return d->tracer.unwinder ? unwinder__launcher(d->tracer.unwinder) : LAUNCHER_SERVES;
}

static bool is_ready(void *ctx, char *ret_why, size_t len)
{
	const struct daemon *d = ctx;
	enum launcher_state launcher = launcher_state(d);
	struct crew_stats crew;

	if (!sweeper__ready(d->tracer.sweeper)) {
		snprintf(ret_why, len,
			 "the BPF programs are not attached yet, or the first sweep of /proc is "
			 "not done");
		return false;
	}
	if (launcher != LAUNCHER_SERVES) {
		snprintf(ret_why, len, "%s", launcher_says[launcher]);
		return false;
	}
	crew__stats(d->tracer.crew, &crew);
	if (!crew.idle)
		return true;
	snprintf(ret_why, len,
		 "%zu threads are stuck in %zu processes that keep their readers waiting, and none "
		 "is left for the %s",
		 crew.stuck, crew.processes, crew.idle);
	return false;
}

static void took(void *ctx, uint64_t ns)
{
	struct daemon *d = ctx;

	pthread_mutex_lock(&d->lock);
	duration_histogram__add(&d->snapshots, ns);
	pthread_mutex_unlock(&d->lock);
}

static void write_metrics(void *ctx, const struct report *node, struct buf *ret)
{
	struct daemon *d = ctx;
	struct metrics_counter resyncs[RESYNCS];
	struct duration_histogram snapshots;
	struct arena *arena = arena__new();
	struct unwinder_stats unwinder;
	struct owner_stats stats;
	struct crew_stats crew;
	struct metrics_counter oom_kills[OOM_SCOPES + 1];
	struct blackbox_stats kills;
	struct metrics_counter history_errors[HISTORY_CAUSES];
	struct history_stats history;
	struct metrics_counter notification_failures[DELIVERY_FAILURES];
	struct notifier_stats notifications;
	struct tracer_stats tracer = {
		.notification_failures = notification_failures,
		.n_notification_failures = DELIVERY_FAILURES,
		.resyncs = resyncs,
		.n_resyncs = RESYNCS,
		.history_errors = history_errors,
		.n_history_errors = HISTORY_CAUSES,
	};

	if (d->tracer.unwinder) {
		unwinder__stats(d->tracer.unwinder, &unwinder);
		tracer.unwinder = &unwinder;
	}
	history__stats(d->history, &history);
	for (size_t i = 0; i < HISTORY_CAUSES; i++)
		history_errors[i] =
			(struct metrics_counter){history.errors[i].cause, history.errors[i].count};
	if (!arena || growth__metrics(d->growth, node, arena, &tracer.growth))
		ret->failed = true;
	tracer.history_bytes = history.bytes;
	tracer.history_max_bytes = history.max_bytes;
	notifier__stats(d->notifier, &notifications);
	tracer.notifications_sent = notifications.sent;
	tracer.notifications_failed = notifications.failed;
	tracer.notifications_dropped = notifications.dropped;
	for (enum delivery failure = 0; failure < DELIVERY_FAILURES; failure++)
		notification_failures[failure] = (struct metrics_counter){
			delivery__name(failure), notifications.failures[failure]};
	crew__stats(d->tracer.crew, &crew);
	tracer.stuck_readers = crew.stuck;
	tracer.unreadable_processes = crew.processes;
	owner__stats(d->tracer.owner, &stats);
	budget__stats(d->tracer.budget, &tracer.memory);
	cpu_limit__stats(d->tracer.cpu_limit, &tracer.cpu);
	blackbox__stats(d->tracer.blackbox, &kills);
	for (enum oom_scope scope = 0; scope < OOM_SCOPES; scope++)
		oom_kills[scope] =
			(struct metrics_counter){oom_scope__name(scope), kills.kills[scope]};
	oom_kills[OOM_SCOPES] = (struct metrics_counter){"unknown", kills.lost};
	tracer.oom_kills = oom_kills;
	tracer.n_oom_kills = ARRAY_SIZE(oom_kills);
	tracer.oom_reports = kills.reports;
	tracer.collector = stats.collector;
	tracer.stacks_dropped = stats.model.untaken_stacks;
	for (int cause = 0; cause < RESYNCS; cause++)
		resyncs[cause] =
			(struct metrics_counter){resync__name(cause), stats.model.resyncs[cause]};
	pthread_mutex_lock(&d->lock);
	snapshots = d->snapshots;
	pthread_mutex_unlock(&d->lock);
	metrics__encode(node, &tracer, &snapshots, ret);
	arena__free(arena);
}

static void warn_of_privileges(int err)
{
	if (err)
		log_warn("capabilities that are not used cannot be given up: %s", strerror(-err));
}

static void warn_of_proc(const char *proc)
{
	if (hidepid__hides_others(proc))
		log_warn("%s is mounted with hidepid, and CAP_SYS_PTRACE is missing: reports have "
			 "only this user's processes",
			 proc);
}

static void warn(const char *text)
{
	log_warn("%s", text);
}

static int make_history(struct daemon *d, const struct options *options)
{
	const struct history_config config = {
		.file = options->history,
		.keep_s = options->history_keep,
		.max_bytes = options->history_size,
		.proc = options->proc,
		.warn = warn,
	};

	d->history = history__new(&config);
	if (!d->history)
		return EXIT_FAILED;
	observers__add(&d->observers, history__observer(d->history));
	d->tracer.history = d->history;
	return EXIT_DONE;
}

/* Alerts are shown by the debug listener; where that is on loopback, by kubectl port-forward. */
static int make_notifier(struct daemon *d, const struct options *options)
{
	struct notifier_config config = {
		.urls = options->alertmanagers,
		.ca_file = options->alertmanager_ca,
		.generator_url = d->alerts_url,
		.times = notifier_times,
		.say = warn,
	};
	int err;

	while (config.n_urls < ALERTMANAGERS_MAX && options->alertmanagers[config.n_urls])
		config.n_urls++;
	if (!config.n_urls)
		return EXIT_DONE;
	if (tls__check_ca("--alertmanager-ca", options->alertmanager_ca))
		return EXIT_FAILED;
	snprintf(d->alerts_url, sizeof(d->alerts_url), "http%s://%s/debug/memory/alerts",
		 server__has_tls(d->server) ? "s" : "", server__address(d->server));
	err = notifier__new(&config, &d->notifier);
	if (!err)
		return EXIT_DONE;
	if (err == -ELIBACC)
		log_error("--alertmanager: libcurl cannot be loaded; takes libcurl-gnutls.so.4 "
			  "(Debian's libcurl3-gnutls) or libcurl.so.4");
	else
		log_error("--alertmanager: %s", strerror(-err));
	return err == -ELIBACC ? EXIT_UNSUPPORTED : EXIT_FAILED;
}

/* The notifier is made later than growth, and before that begins. */
static void evaluated(void *ctx, const struct notice *notices, size_t n)
{
	struct daemon *d = ctx;

	if (d->notifier)
		notifier__evaluated(d->notifier, notices, n);
}

static int make_growth(struct daemon *d, const struct options *options)
{
	const struct growth_config config = {
		.proc = options->proc,
		.history = d->history,
		.notify = evaluated,
		.ctx = d,
	};

	d->growth = growth__new(&config);
	if (!d->growth)
		return EXIT_FAILED;
	observers__add(&d->observers, growth__observer(d->growth));
	d->tracer.observer = &d->observers.observer;
	d->tracer.growth = d->growth;
	return EXIT_DONE;
}

/* No thread is started before the capabilities are as they stay: each has its own. */
static int start(struct daemon *d, const struct options *options)
{
	struct server_config server = {
		.ready = is_ready,
		.metrics = write_metrics,
		.took = took,
		.ctx = d,
	};
	int code;

	warn_of_privileges(privilege__reduce());
	code = make_history(d, options) ?: make_growth(d, options)
					?: tracer__attach(&d->tracer, options, true);
	if (!code && server__open(options, &d->server))
		code = EXIT_FAILED; /* it has said why */
	code = code ?: make_notifier(d, options);
	if (code)
		return code;
	warn_of_privileges(privilege__settle());
	warn_of_proc(options->proc);
	code = history__start(d->history, d->tracer.budget) ? EXIT_FAILED : EXIT_DONE;
	if (!code && d->notifier && notifier__start(d->notifier))
		code = EXIT_FAILED;
	code = code ?: tracer__start(&d->tracer, options, REQUEST_WORKERS);
	if (code)
		return code;
	server.history = d->history;
	server.growth = d->growth;
	server.taker = d->tracer.taker;
	server.sampler = d->tracer.sampler;
	server.blackbox = d->tracer.blackbox;
	server.crew = d->tracer.crew;
	return server__start(d->server, &server) ? EXIT_FAILED : EXIT_DONE;
}

static int restrict_syscalls(const struct options *options)
{
	int err = syscalls__restrict(options->seccomp, options->history, options->alertmanagers[0]);

	if (!err)
		return EXIT_DONE;
	log_error("system calls cannot be restricted (%s); --seccomp off goes without",
		  strerror(-err));
	return EXIT_UNSUPPORTED;
}

static void announce(const struct server *server)
{
	printf("memprov %s: curl 'http%s://%s/debug/memory?pid=PID'\n", MEMPROV_VERSION,
	       server__has_tls(server) ? "s" : "", server__address(server));
	if (server__metrics_address(server))
		printf("memprov %s: metrics on http://%s/metrics\n", MEMPROV_VERSION,
		       server__metrics_address(server));
	fflush(stdout);
}

/* False when a thread is stuck in the kernel, or with a resolver: then nothing that it uses may be
 * freed. */
static bool stop(struct daemon *d)
{
	int err = notifier__stop(d->notifier);
	bool stuck = d->server && server__stop(d->server);

	if (d->growth)
		growth__keep(d->growth); /* history writes it at its own end */
	if (stuck) {
		history__stop(d->history);
		return false;
	}
	tracer__stop(&d->tracer);
	growth__free(d->growth);
	history__free(d->history);
	if (!err)
		notifier__free(d->notifier);
	return !err;
}

/* The first sweep takes seconds where there are many processes. The signal that ended the wait, or
 * -1 when it is through. */
static int wait_until_ready(struct daemon *d, const sigset_t *signals)
{
	const struct timespec tenth = {.tv_nsec = NSEC_PER_SEC / 10};
	int signal = -1;

	while (d->spinner && signal < 0 && !sweeper__ready(d->tracer.sweeper))
		signal = sigtimedwait(signals, NULL, &tenth);
	spinner__stop(take_ptr(d->spinner));
	return signal;
}

static void give_up(struct model *model, void *arg)
{
	model__give_up(model, *(const uint64_t *)arg);
}

/* Memory that is not counted may have grown, too. */
static void keep_to_budget(struct daemon *d)
{
	uint64_t over = memory_watch__look(&d->memory, d->tracer.budget);

	if (over)
		owner__call(d->tracer.owner, give_up, &over);
}

static void watch_launcher(struct daemon *d)
{
	enum launcher_state now = launcher_state(d);

	if (now != d->launcher)
		log_warn("%s", launcher_says[now]);
	d->launcher = now;
}

/* Returns the signal that ends the daemon. A process with 60,000 mappings leaves holes of megabytes
 * behind in the heap when it goes, below what the allocator gives back by itself. */
static int wait_for_end(struct daemon *d, const sigset_t *signals)
{
	const struct timespec second = {.tv_sec = 1};
	int signal = wait_until_ready(d, signals);

	for (unsigned seconds = 1; signal < 0; seconds++) {
		signal = sigtimedwait(signals, NULL, &second);
		if (signal >= 0)
			break;
		if (seconds % TRIM_EVERY_S == 0)
			malloc_trim(0);
		keep_to_budget(d);
		watch_launcher(d);
	}
	return signal;
}

int daemon__run(const struct options *options)
{
	struct daemon d = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.memory.ring_size = options->ring_size,
	};
	sigset_t signals;
	int code;

	/* Reports come and go by the megabyte. The next one takes what the last one had, because
	 * the kernel's clearing of new pages is a fifth of what a large one costs; what none takes
	 * goes back every ten seconds. Threads share one arena: of others malloc_trim() does not
	 * give back the end. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);

	/* Blocked before the first thread is made, which inherits that: they come to sigwait. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	cgroup__join_host(options->proc);
	code = start(&d, options);
	/* The last thread: afterwards there can be no other. */
	if (!code)
		d.spinner = spinner__start("reading all processes once", 1000);
	code = code ?: restrict_syscalls(options);
	if (!code) {
		announce(d.server);
		log_info("%s: stopping", strsignal(wait_for_end(&d, &signals)));
	}
	spinner__stop(d.spinner);
	if (!stop(&d)) {
		fflush(NULL);
		_exit(code);
	}
	return code;
}
