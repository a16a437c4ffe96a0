// SPDX-License-Identifier: BSD-2-Clause
#include "cli/show.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/output.h"
#include "options.h"
#include "proc/pod_logs.h"
#include "proc/self.h"
#include "report/encode.h"
#include "report/take.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define ERROR_LINE_MAX 512

static void free_report(struct report **report)
{
	report__free(*report);
}

static void free_pod_logs(struct pod_logs **logs)
{
	pod_logs__free(*logs);
}

static void free_taker(struct taker **taker)
{
	taker__free(*taker);
}

static int put(const struct options *options, const struct buf *body)
{
	return output__write(options->output, STDOUT_FILENO, body->data, body->len) ? EXIT_FAILED
										    : EXIT_DONE;
}

/* The message of an error answer: its one line, or what {"error":{…,"message":"…"}} says. */
static void error_message(const struct response *response, struct buf *ret)
{
	static const char key[] = "\"message\":\"";
	const char *text = response->body.data, *end = text + response->body.len;
	const char *message = memmem(text, end - text, key, sizeof(key) - 1);
	char line[ERROR_LINE_MAX];
	size_t len = 0;

	if (message) {
		for (text = message + sizeof(key) - 1; text < end && *text != '"'; text++) {
			if (*text == '\\' && text + 1 < end)
				text++;
			if (len < sizeof(line))
				line[len++] = *text;
		}
	} else if (*text != '<') { /* libmicrohttpd's own errors are pages of HTML */
		len = strcspn(text, "\r\n");
		len = len < sizeof(line) ? len : sizeof(line);
		memcpy(line, text, len);
	}
	if (len)
		text__show_bytes(ret, line, len);
	else
		buf__printf(ret, "the daemon answered with HTTP status %u", response->status);
}

static void fail_asking(const struct options *options, int err)
{
	switch (-err) {
	case ETIMEDOUT:
		log_error("the daemon on %s did not answer within %d seconds", options->socket,
			  CLIENT_TIMEOUT_SEC);
		break;
	case ECONNRESET:
		log_error("the daemon on %s closed the connection before its answer was complete",
			  options->socket);
		break;
	case EBADMSG:
		log_error("what answers on %s is not memprov", options->socket);
		break;
	case EFBIG:
		log_error("the daemon's answer is larger than %lu MB; ask for less with --top",
			  CLIENT_BODY_MAX >> 20);
		break;
	default:
		log_error("cannot ask the daemon on %s: %s", options->socket, strerror(-err));
	}
}

static const char *const formats[] = {
	[FORMAT_TEXT] = "text",
	[FORMAT_JSON] = "json",
	[FORMAT_FOLDED] = "folded",
};

static int ask(const struct options *options, int fd, pid_t pid)
{
	_cleanup_buf_ struct buf message = {};
	struct response response = {};
	int err, code = EXIT_FAILED;
	char target[256];

	snprintf(target, sizeof(target), "/debug/memory?pid=%d&top=%zu&all=%d&format=%s&unit=%s",
		 pid, options->top, options->all, formats[options->format],
		 options->kilobytes ? "kB" : "MB");
	err = client__get(fd, target, &response);
	if (err) {
		fail_asking(options, err);
	} else if (response.status == 200) {
		code = put(options, &response.body);
	} else {
		error_message(&response, &message);
		log_error("%s", message.data ?: "out of memory");
	}
	buf__free(&response.body);
	return code;
}

static int fail_taking(int err, pid_t pid)
{
	if (err == -ESRCH)
		log_error("there is no process %d, or it has no memory (a zombie, a kernel thread)",
			  pid);
	else if (err == -EIDRM)
		log_error("process %d exited while it was being read", pid);
	else if (err == -EACCES || err == -EPERM)
		log_error("not allowed to read process %d: %s%s", pid, strerror(-err),
			  geteuid() ? "; it takes root or its own user: try 'sudo memprov show'"
				    : "");
	else
		log_error("reading process %d failed: %s", pid, strerror(-err));
	return EXIT_FAILED;
}

/* From smaps alone. */
static int report_here(const struct options *options, pid_t pid, const char *why_off)
{
	struct encode_options encode = {.top = options->top,
					.all = options->all,
					.unit = options->kilobytes ? UNIT_KB : UNIT_MB};
	_cleanup_(free_pod_logs) struct pod_logs *pod_logs = NULL;
	struct taker_config config = {.proc = options->proc, .why_off = why_off};
	_cleanup_(free_taker) struct taker *taker = NULL;
	_cleanup_(free_report) struct report *report = NULL;
	_cleanup_buf_ struct buf body = {};
	int err = pod_logs__new(options->pod_logs, &pod_logs);

	config.pod_logs = pod_logs;
	taker = err ? NULL : taker__new(&config);
	err = taker ? taker__process(taker, pid, &CALLER_OURSELVES, NULL, &report) : -ENOMEM;

	if (err)
		return fail_taking(err, pid);
	if (options->format == FORMAT_JSON)
		encode__json(report, &encode, &body);
	else if (options->format == FORMAT_FOLDED)
		encode__folded(report, &encode, &body);
	else
		encode__text(report, &encode, &body);
	if (buf__error(&body))
		return fail_taking(-ENOMEM, pid);
	return put(options, &body);
}

int show__run(const struct options *options)
{
	pid_t pid = options->pid ?: self__pid(options->proc);
	_cleanup_close_ int fd = client__connect(options->socket);
	char why_off[PATH_MAX + 128];

	switch (-fd) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		snprintf(why_off, sizeof(why_off),
			 "no daemon answers on %s (%s); start one with 'sudo memprov serve'",
			 options->socket, strerror(-fd));
		return report_here(options, pid, why_off);
	case EACCES:
	case EPERM:
		snprintf(why_off, sizeof(why_off),
			 "this user may not ask the daemon on %s (%s); try 'sudo memprov show'",
			 options->socket, strerror(-fd));
		return report_here(options, pid, why_off);
	}
	if (fd >= 0)
		return ask(options, fd, pid);
	fail_asking(options, fd);
	return EXIT_FAILED;
}
