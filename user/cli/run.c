// SPDX-License-Identifier: BSD-2-Clause
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/run_child.h"
#include "cli/run_peak.h"
#include "cli/run_report.h"
#include "live/owner.h"
#include "options/options.h"
#include "proc/memory.h"
#include "report/settle.h"
#include "tracer/tracer.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/quote.h"

/* As env(1) and the shells have it. */
enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_BY_SIGNAL = 128 };

#define IDLE_MS 1000
#define CARE_MS 10

#define STACKS_WAIT_NS (3 * NSEC_PER_SEC)

struct run {
	const struct options *options;
	struct tracer tracer;
	sigset_t signals; /* that come to sigtimedwait */
	struct run_child *child;
	struct peak *peak;
	struct progress progress;
	struct report *end;
	uint64_t started_ns; /* CLOCK_BOOTTIME */
	uint64_t started_at; /* wall clock */
	uint64_t drawn_ns;
};

/* --- signals ------------------------------------------------------------------------------- */

/*
 * All that can be caught come to sigtimedwait, but for those by which a program breaks, and those
 * that stop and continue it: with ^Z both stop, and the shell continues both. SIGPIPE: what cannot
 * be written is told, and changes nothing of the exit status.
 */
static void take_signals(struct run *run, struct run_child_config *config)
{
	static const int not [] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT,
				   SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPIPE};
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigfillset(&run->signals);
	for (size_t i = 0; i < ARRAY_SIZE(not ); i++)
		sigdelset(&run->signals, not [i]);
	pthread_sigmask(SIG_BLOCK, &run->signals, &config->mask);
	/* An ignored SIGCHLD would have the kernel throw away what waitpid is to tell. */
	sigaction(SIGCHLD, &by_default, &config->chld);
	sigaction(SIGPIPE, &ignore, &config->broken);
}

/* A signal that came before there was a child to pass it to has its usual effect. */
static void take_what_came(const struct run *run, const sigset_t *mask)
{
	pthread_sigmask(SIG_SETMASK, mask, NULL);
	pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
}

/*
 * The terminal sends to all of its foreground group, so CMD has those signals already; they are
 * told by their sender, the kernel. SIGINT and SIGQUIT are never passed on: scripts and programs
 * such as timeout(1) send them to the group too. CMD's own signals to us would come back to it.
 */
static bool is_for_child(const struct run *run, const siginfo_t *info)
{
	switch (info->si_signo) {
	case SIGCHLD:
	case SIGINT:
	case SIGQUIT:
		return false;
	}
	return info->si_code != SI_KERNEL && !run_child__is(run->child, info->si_pid);
}

/* --- while it runs ------------------------------------------------------------------------- */

static void draw(struct run *run)
{
	uint64_t now = clock__boot_ns();
	struct proc_memory memory;
	struct owner_stats stats;
	uint64_t events = 0;
	char line[128];

	if (!progress__is_on(&run->progress) ||
	    now - run->drawn_ns < PROGRESS_EVERY_MS * 1000000ULL)
		return;
	owner__stats(run->tracer.owner, &stats);
	for (int type = 0; type < MP_EVENT_TYPES; type++)
		events += stats.collector.events[type];
	memory = peak__now(run->peak);
	snprintf(line, sizeof(line),
		 "memprov: %" PRIu64 " s, RSS %" PRIu64 " MB, mapped %" PRIu64 " MB, %" PRIu64
		 " events",
		 (uint64_t)((now - run->started_ns) / NSEC_PER_SEC), memory.rss >> 20,
		 memory.size >> 20, events);
	progress__draw(&run->progress, line);
	run->drawn_ns = now;
}

/* Reports are taken without waiting for stacks, so that a short peak is not missed. */
static void settle(struct report *report)
{
	if (report && report__settle(report, STACKS_WAIT_NS))
		log_error("call sites are missing: out of memory");
}

/* It stands still, so this shows one moment; whatever was seen of an earlier end is void. */
static void look_at_end(struct run *run)
{
	report__free(take_ptr(run->end));
	peak__stop(run->peak);
	run->end = peak__take(run->peak);
	settle(run->end); /* as long as its code is there to be read */
}

static void on_event(struct run *run, enum run_child_event event)
{
	switch (event) {
	case RUN_CHILD_LEAVING:
		look_at_end(run);
		run_child__let_go(run->child);
		if (run_child__lives_on(run->child))
			peak__start(run->peak);
		break;
	case RUN_CHILD_STAYS:
		report__free(take_ptr(run->end));
		peak__start(run->peak);
		break;
	default:
		break;
	}
}

static void wait_for_news(struct run *run)
{
	int ms = run_child__needs_care(run->child) ? CARE_MS
		 : progress__is_on(&run->progress) ? PROGRESS_EVERY_MS
						   : IDLE_MS;
	const struct timespec timeout = {ms / 1000, ms % 1000 * 1000000L};
	siginfo_t info;
	int number = sigtimedwait(&run->signals, &info, &timeout);

	if (number > 0 && is_for_child(run, &info))
		run_child__signal(run->child, number);
}

static void follow(struct run *run)
{
	enum run_child_event event;

	for (;;) {
		while ((event = run_child__next(run->child)) != RUN_CHILD_NOTHING) {
			if (event == RUN_CHILD_ENDED)
				return;
			on_event(run, event);
		}
		draw(run);
		wait_for_news(run);
	}
}

/* --- its end ------------------------------------------------------------------------------- */

/* Profiles are of one moment: the peak. */
static void encode_run(const struct run_report *run, enum format format,
		       const struct encode_options *options, struct buf *ret)
{
	if (format == FORMAT_TEXT)
		run_report__text(run, options, ret);
	else if (format == FORMAT_JSON)
		run_report__json(run, options, ret);
	else if (run->peak)
		encode__in(format)(run->peak, options, ret);
}

static void report(struct run *run)
{
	const struct options *options = run->options;
	struct encode_options encode = {.top = options->top,
					.all = options->all,
					.unit = options->kilobytes ? UNIT_KB : UNIT_MB};
	struct peak_result peak = peak__result(run->peak);
	struct run_report all = {
		.command = options->argv,
		.pid = run_child__pid(run->child),
		.started_at = run->started_at,
		.ended_at = run->started_at + clock__boot_ns() - run->started_ns,
		.status = run_child__status(run->child),
		.peak_rss = peak.rss,
		.family = peak.family,
		.peak = peak.report,
		.end = run->end ?: peak.last,
		.end_is = run->end ? RUN_END_EXIT : RUN_END_SAMPLE,
	};
	_cleanup_buf_ struct buf body = {};

	settle(peak.report);
	settle(peak.last);
	if (run->end && (!all.peak || run->end->totals.rss >= all.peak->totals.rss))
		all.peak = run->end;
	encode_run(&all, options->format, &encode, &body);
	if (buf__error(&body))
		log_error("no report: out of memory");
	else if (!body.data)
		log_error("no report: the process could not be read");
	else
		output__write(options->output, STDERR_FILENO, body.data, body.len);
}

/* Not reached as a rule: what ended CMD ends us. PID 1 of a container is spared by some signals. */
static int end_by(int number)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	struct rlimit no_core = {};
	sigset_t only;

	setrlimit(RLIMIT_CORE, &no_core); /* CMD's core is there, ours says nothing */
	sigaction(number, &by_default, NULL);
	sigemptyset(&only);
	sigaddset(&only, number);
	pthread_sigmask(SIG_UNBLOCK, &only, NULL);
	raise(number);
	return EXIT_BY_SIGNAL + number;
}

/* --- all of it ----------------------------------------------------------------------------- */

static int start_child(struct run *run, const struct run_child_config *config)
{
	char quoted[QUOTE_LEN];
	int err, exec_errno = 0;

	take_what_came(run, &config->mask);
	run->started_ns = run->drawn_ns = clock__boot_ns();
	run->started_at = clock__wall_ns();
	err = run_child__start(config, &run->child, &exec_errno);
	if (!err)
		return EXIT_DONE;
	log_error("cannot run '%s': %s%s", quote__text(config->argv[0], quoted),
		  strerror(err > 0 ? exec_errno : -err),
		  exec_errno == ENOENT	 ? "; takes its path, or a name that is in PATH"
		  : exec_errno == EACCES ? "; takes a file that this user may execute"
					 : "");
	if (err < 0)
		return EXIT_FAILED;
	return exec_errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static int run_traced(struct run *run, const struct run_child_config *config)
{
	struct peak_config peak = {.proc = run->options->proc};
	int code = tracer__attach(&run->tracer, run->options, false);

	code = code ?: tracer__start(&run->tracer, run->options, 0);
	if (code)
		return code;
	peak.taker = run->tracer.taker;
	run->peak = peak__new(&peak);
	code = run->peak ? start_child(run, config) : EXIT_FAILED;
	if (code)
		return code;
	if (config->ptrace && !run_child__is_watched(run->child))
		log_warn("ptrace is refused here: the end will be the last that was seen");
	peak__set_target(run->peak, run_child__pid(run->child), !run_child__is_watched(run->child));
	if (peak__start(run->peak))
		log_warn("no thread can be started: the peak will not be seen");
	progress__init(&run->progress, STDERR_FILENO);
	follow(run);
	peak__stop(run->peak);
	progress__erase(&run->progress);
	report(run);
	return EXIT_DONE;
}

/* If one of them was closed, none of our descriptors may take its place, and CMD must find it
 * closed. */
static void fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
			return;
	}
}

int run__run(const struct options *options)
{
	struct run run = {.options = options};
	struct run_child_config config = {
		.argv = options->argv, .proc = options->proc, .ptrace = !options->no_ptrace};
	int code, status = 0;

	fill_standard_descriptors();
	if (options->format == FORMAT_PPROF && output__check_binary(options->output, STDERR_FILENO))
		return EXIT_USAGE;
	if (options->output && output__check(options->output))
		return EXIT_FAILED;
	take_signals(&run, &config);
	code = run_traced(&run, &config);
	if (run.child)
		status = run_child__status(run.child);
	report__free(run.end);
	peak__free(run.peak);
	run_child__free(run.child);
	tracer__stop(&run.tracer);
	if (code)
		return code;
	return WIFSIGNALED(status) ? end_by(WTERMSIG(status)) : WEXITSTATUS(status);
}
