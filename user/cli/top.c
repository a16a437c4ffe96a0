// SPDX-License-Identifier: BSD-2-Clause
#include "cli/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report_source.h"
#include "cli/top_fetch.h"
#include "cli/top_screen.h"
#include "options/options.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#define WAITING_AFTER_MS 500
#define SUMMARY_LEN	 256

static void close_source(struct report_source **source)
{
	report_source__close(*source);
}

static void make_summary(const struct top_frame *frame, const struct options *options,
			 bool kilobytes, char ret[SUMMARY_LEN])
{
	time_t now = time(NULL);
	char clock[16], unread[48] = "";
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	if (frame->unreadable)
		snprintf(unread, sizeof(unread), " (%zu more could not be read)",
			 (size_t)frame->unreadable);
	snprintf(ret, SUMMARY_LEN,
		 "memprov top - %s, %zu processes%s, RSS together %zu %s, every %u s", clock,
		 frame->n, unread, (size_t)(frame->rss >> (kilobytes ? 10 : 20)),
		 kilobytes ? "kB" : "MB", options->interval);
}

/* --- plain text ------------------------------------------------------------------------------- */

static int write_frame(const struct top_frame *frame, const struct options *options,
		       const char *why_off)
{
	_cleanup_free_ const struct top_row **rows = calloc(frame->n + 1, sizeof(*rows));
	const struct top_layout layout = {.unit = options->kilobytes ? UNIT_KB : UNIT_MB};
	_cleanup_buf_ struct buf out = {};
	char summary[SUMMARY_LEN];
	size_t n;

	if (!rows)
		return -ENOMEM;
	n = top_frame__pick(frame, "", options->sort, false, rows);
	make_summary(frame, options, options->kilobytes, summary);
	buf__printf(&out, "%s\n", summary);
	if (why_off) {
		text__show(&out, why_off);
		buf__puts(&out, "\n");
	}
	top_frame__headings(frame, options->sort, &layout, &out);
	buf__puts(&out, "\n");
	for (size_t i = 0; i < n && (options->all || i < options->top); i++) {
		top_frame__line(frame, rows[i], &layout, &out);
		buf__puts(&out, "\n");
	}
	if (!options->once)
		buf__puts(&out, "\n");
	return buf__error(&out) ?: output__write(NULL, STDOUT_FILENO, out.data, out.len);
}

static int get_frame(struct report_source *source, const struct options *options,
		     struct top_frame **ret)
{
	struct spinner *spinner =
		spinner__start("waiting for the list of processes", WAITING_AFTER_MS);
	_cleanup_buf_ struct buf body = {}, error = {};
	char why[JSON_READ_ERROR_LEN];
	int err = report_source__get(source, 0, options, &body, &error);

	spinner__stop(spinner);
	if (err) {
		log_error("top: %s", error.data ?: "out of memory");
		return err;
	}
	err = top_frame__parse(body.data ?: "", body.len, ret, why);
	if (err)
		log_error("top: the daemon's answer cannot be read: %s", why);
	return err;
}

static int run_plain(struct report_source *source, const struct options *options)
{
	struct top_frame *before = NULL, *frame = NULL;
	int err;

	for (;;) {
		err = get_frame(source, options, &frame);
		if (err)
			break;
		if (!options->once)
			top_frame__compare(frame, before);
		err = write_frame(frame, options, report_source__why_off(source));
		top_frame__free(before);
		before = take_ptr(frame);
		if (err || options->once)
			break;
		sleep(options->interval);
	}
	top_frame__free(before);
	return err ? EXIT_FAILED : EXIT_DONE;
}

/* --- on a terminal ---------------------------------------------------------------------------- */

struct top {
	const struct options *options;
	struct top_state state;
	struct fetcher *fetcher;
	sigset_t signals; /* that come by signals_fd */
	int signals_fd;
	int ended_by; /* a signal; 0: none, or q */
	bool busy;    /* an answer is awaited */
	uint64_t asked_ns;
	char summary[SUMMARY_LEN];
	struct buf message;
	char why_off[SUMMARY_LEN]; /* what the message is when all is well */
};

static void ask(struct top *top)
{
	fetcher__ask(top->fetcher, top_state__wants(&top->state), top->state.kilobytes);
	top->busy = true;
	top->asked_ns = clock__boot_ns();
}

static void say(struct top *top, const char *what, const char *more)
{
	top->message.len = 0;
	buf__printf(&top->message, "%s%s", what, more);
}

/* One error shows until something better comes; what was there before stays on the screen. */
static void take_answer(struct top *top)
{
	_cleanup_(fetched__free) struct fetched answer = {};
	char why[JSON_READ_ERROR_LEN];
	struct top_frame *frame;

	if (!fetcher__take(top->fetcher, &answer))
		return;
	top->busy = answer.pid != top_state__wants(&top->state);
	if (answer.err) {
		if (!top->busy)
			say(top, answer.error.data ?: "out of memory", "");
		return;
	}
	say(top, top->why_off, "");
	if (answer.pid) {
		if (top_state__take_text(&top->state, answer.pid, &answer.body))
			say(top, "out of memory", "");
	} else if (top_frame__parse(answer.body.data ?: "", answer.body.len, &frame, why)) {
		say(top, "the daemon's answer cannot be read: ", why);
	} else if (top_state__take_frame(&top->state, frame)) {
		say(top, "out of memory", "");
	}
}

/* The shell gets its terminal as it was. */
static void stop_for_a_while(struct top *top)
{
	screen__leave();
	raise(SIGSTOP);
	screen__resize();
}

static void take_signal(struct top *top)
{
	struct signalfd_siginfo info;

	if (read(top->signals_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		screen__resize();
	else if (info.ssi_signo == SIGTSTP)
		stop_for_a_while(top);
	else
		top->ended_by = (int)info.ssi_signo;
}

static void take_keys(struct top *top)
{
	unsigned key;

	while (!top->state.quit && screen__key(&key)) {
		if (top_state__key(&top->state, key))
			ask(top);
		top_state__resize(&top->state, screen__height(&top->state));
	}
}

static void draw(struct top *top)
{
	struct screen_texts texts = {top->summary, top->message.data ?: ""};
	const struct top_state *state = &top->state;

	top_state__resize(&top->state, screen__height(state));
	if (state->mode == TOP_PROCESS)
		snprintf(top->summary, sizeof(top->summary), "memprov top - process %d: %s",
			 state->process, state->name);
	else if (state->frame)
		make_summary(state->frame, top->options, state->kilobytes, top->summary);
	else
		snprintf(top->summary, sizeof(top->summary), "memprov top");
	screen__draw(state, &texts);
}

/* How long until the next frame is asked for, in ms. */
static int until_next(const struct top *top)
{
	uint64_t next = top->asked_ns + top->options->interval * NSEC_PER_SEC;
	uint64_t now = clock__boot_ns();

	if (top->busy)
		return -1;
	return now >= next ? 0 : (int)((next - now) / 1000000 + 1);
}

static void loop(struct top *top)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
			       {.fd = top->signals_fd, .events = POLLIN},
			       {.fd = fetcher__fd(top->fetcher), .events = POLLIN}};

	ask(top);
	draw(top);
	while (!top->state.quit && !top->ended_by) {
		int n = poll(fds, ARRAY_SIZE(fds), until_next(top));

		if (n < 0 && errno != EINTR)
			break;
		if (n <= 0) {
			if (!n && !top->busy)
				ask(top);
			continue;
		}
		if (fds[1].revents)
			take_signal(top);
		if (fds[2].revents)
			take_answer(top);
		take_keys(top);
		/* The terminal has gone; SIGHUP may be on its way, or not. */
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			break;
		if (!top->state.quit && !top->ended_by)
			draw(top);
	}
}

static int start(struct top *top, struct report_source *source, const struct options *options)
{
	int err;

	/* Blocked before there is a second thread: they all come to the loop. */
	sigemptyset(&top->signals);
	for (size_t i = 0; i < 6; i++)
		sigaddset(&top->signals,
			  (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH}[i]);
	sigprocmask(SIG_BLOCK, &top->signals, NULL);
	top->signals_fd = signalfd(-1, &top->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	err = top->signals_fd < 0 ? -errno : 0;
	if (report_source__why_off(source))
		snprintf(top->why_off, sizeof(top->why_off), "%s", report_source__why_off(source));
	if (err)
		report_source__close(source);
	else
		err = fetcher__new(source, options, &top->fetcher);
	if (err)
		log_error("top: %s", strerror(-err));
	return err;
}

/* As if there had been no handler. */
static void end_by(int signal, const sigset_t *blocked)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	sigaction(signal, &action, NULL);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, blocked, NULL);
}

static int run_on_terminal(struct report_source *source, const struct options *options)
{
	struct top top = {.options = options, .signals_fd = -1};
	int err = start(&top, source, options);

	top_state__init(&top.state, options);
	if (!err) {
		err = screen__open();
		if (err)
			log_error("top: the terminal '%s' (TERM) is not known; try --once",
				  getenv("TERM") ?: "");
	}
	if (!err) {
		say(&top, top.why_off, "");
		loop(&top);
		screen__close();
	}
	fetcher__free(top.fetcher);
	top_state__free(&top.state);
	buf__free(&top.message);
	if (top.signals_fd >= 0)
		close(top.signals_fd);
	if (top.ended_by)
		end_by(top.ended_by, &top.signals);
	return err ? EXIT_FAILED : EXIT_DONE;
}

int top__run(const struct options *options)
{
	_cleanup_(close_source) struct report_source *source = NULL;
	_cleanup_buf_ struct buf error = {};

	if (report_source__open(options, &source, &error)) {
		log_error("top: %s", error.data ?: "out of memory");
		return EXIT_FAILED;
	}
	if (!options->once && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return run_on_terminal(take_ptr(source), options);
	return run_plain(source, options);
}
