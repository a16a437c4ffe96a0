// SPDX-License-Identifier: BSD-2-Clause
#include "cli/report_source.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client.h"
#include "options/options.h"
#include "proc/crew.h"
#include "proc/hidepid.h"
#include "proc/pod_logs.h"
#include "report/encode.h"
#include "report/take.h"
#include "sampler/sampler.h"
#include "util/cleanup.h"
#include "util/text.h"

#define ERROR_LINE_MAX 512

struct report_source {
	const struct options *options;
	struct taker *taker;	 /* NULL: a daemon answers */
	struct sampler *sampler; /* the same */
	struct pod_logs *pod_logs;
	char why_off[PATH_MAX + 128];
	int first; /* the connection that showed that there is one; -1: used */

	struct visitor visitor; /* not watched */
	pthread_mutex_t lock;
	int fd; /* guarded by lock: the connection in use, or -1 */
};

static void free_report(struct report **report)
{
	report__free(*report);
}

/* --- the daemon ------------------------------------------------------------------------------ */

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

static void fail_asking(const char *socket, int err, struct buf *ret)
{
	switch (-err) {
	case ETIMEDOUT:
		buf__printf(ret,
			    "the daemon on %s did not answer within %d seconds; see its log"
			    ", or restart it",
			    socket, CLIENT_TIMEOUT_SEC);
		break;
	case ECONNRESET:
		buf__printf(ret,
			    "the daemon on %s closed the connection before its answer was "
			    "complete; see its log, and try again",
			    socket);
		break;
	case EBADMSG:
		buf__printf(
			ret,
			"what answers on %s is not memprov; takes --socket PATH of a daemon of it",
			socket);
		break;
	case EFBIG:
		buf__printf(ret,
			    "the daemon's answer is larger than %lu MB; ask for less with "
			    "--top",
			    CLIENT_BODY_MAX >> 20);
		break;
	default:
		buf__printf(ret,
			    "cannot ask the daemon on %s: %s; takes --socket PATH of one that runs",
			    socket, strerror(-err));
	}
}

/* Makes the connection known to report_source__cancel, or takes it from there. */
static int use(struct report_source *source, int fd)
{
	int err = 0;

	pthread_mutex_lock(&source->lock);
	source->fd = fd;
	if (fd >= 0 && source->visitor.stop)
		err = -ECANCELED;
	pthread_mutex_unlock(&source->lock);
	return err;
}

int report_source__ask(struct report_source *source, const char *target, struct buf *ret,
		       struct buf *ret_error)
{
	const char *socket = source->options->socket;
	_cleanup_close_ int fd = take_fd(source->first);
	struct response response = {};
	int err;

	if (fd < 0)
		fd = client__connect(socket);
	err = fd < 0 ? fd : use(source, fd) ?: client__get(fd, target, &response);
	use(source, -1);
	if (err) {
		fail_asking(socket, err, ret_error);
	} else if (response.status == 200) {
		buf__add(ret, response.body.data, response.body.len);
		err = buf__error(ret);
	} else {
		error_message(&response, ret_error);
		err = response.status == 400 ? -EINVAL : -EREMOTEIO;
	}
	buf__free(&response.body);
	return err;
}

static int ask_for(struct report_source *source, pid_t pid, const struct options *o,
		   struct buf *ret, struct buf *ret_error)
{
	char target[256];

	if (!pid)
		return report_source__ask(source, "/debug/memory/processes?format=json&trend=20",
					  ret, ret_error);
	snprintf(target, sizeof(target), "/debug/memory?pid=%d&top=%zu&all=%d&format=%s&unit=%s",
		 pid, o->top, o->all, format__name(o->format), o->kilobytes ? "kB" : "MB");
	return report_source__ask(source, target, ret, ret_error);
}

/* --- without one ----------------------------------------------------------------------------- */

static void fail_taking(const struct options *options, int err, pid_t pid, struct buf *ret)
{
	char what[32] = "the processes";

	if (pid)
		snprintf(what, sizeof(what), "process %d", pid);
	if (err == -ESRCH && pid)
		buf__printf(ret,
			    "there is no %s, or it has no memory (a zombie, a kernel thread)%s",
			    what,
			    hidepid__hides_others(options->proc)
				    ? ", or it is hidden: /proc is mounted with hidepid, and this "
				      "takes root, or CAP_SYS_PTRACE"
				    : "; 'memprov top --once --all' lists those that can be read");
	else if (err == -EIDRM)
		buf__printf(ret,
			    "%s exited while it was being read; 'memprov run -- CMD' reports what "
			    "it had at its end",
			    what);
	else if (err == -EACCES || err == -EPERM)
		buf__printf(ret, "not allowed to read %s: %s%s", what, strerror(-err),
			    geteuid() ? "; it takes root or its own user: try 'sudo memprov show'"
				      : "");
	else
		buf__printf(ret, "reading %s failed: %s", what, strerror(-err));
}

static struct encode_options options_of(const struct options *o)
{
	return (struct encode_options){
		.top = o->top, .all = o->all, .unit = o->kilobytes ? UNIT_KB : UNIT_MB};
}

static void encode(const struct report *report, const struct options *o, struct buf *ret)
{
	struct encode_options options = options_of(o);

	if (report__is_of_many(report)) {
		options.all = true;
		encode__processes_json(report, &options, ret);
	} else {
		encode__in(o->format)(report, &options, ret);
	}
}

/* From smaps alone. */
static int take(struct report_source *source, pid_t pid, const struct options *options,
		struct buf *ret, struct buf *ret_error)
{
	_cleanup_(free_report) struct report *report = NULL;
	const struct caller *caller = &CALLER_OURSELVES;
	struct encode_options encode_options = options_of(options);
	struct detail detail = encode__detail(encode__in(options->format), &encode_options);
	int err =
		pid ? taker__process(source->taker, pid, detail, caller, &source->visitor, &report)
		    : sampler__list(source->sampler, caller, &source->visitor, &report);

	if (!err) {
		encode(report, options, ret);
		err = buf__error(ret);
	}
	if (err)
		fail_taking(options, err, pid, ret_error);
	return err;
}

/* --- either ---------------------------------------------------------------------------------- */

/* 0; 1 when there is no daemon that we may ask; or -errno. */
static int find_daemon(struct report_source *source)
{
	const char *socket = source->options->socket;
	int fd = client__connect(socket);

	switch (-fd) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		snprintf(source->why_off, sizeof(source->why_off),
			 "no daemon answers on %s (%s); start one with 'sudo memprov serve'",
			 socket, strerror(-fd));
		return 1;
	case EACCES:
	case EPERM:
		snprintf(source->why_off, sizeof(source->why_off),
			 "this user may not ask the daemon on %s (%s); try 'sudo memprov show'",
			 socket, strerror(-fd));
		return 1;
	}
	if (fd < 0)
		return fd;
	source->first = fd;
	return 0;
}

int report_source__open(const struct options *options, struct report_source **ret,
			struct buf *ret_error)
{
	struct report_source *source = calloc(1, sizeof(*source));
	struct taker_config config = {.proc = options->proc};
	int err;

	if (!source) {
		buf__puts(ret_error, "out of memory");
		return -ENOMEM;
	}
	source->options = options;
	source->first = source->fd = -1;
	pthread_mutex_init(&source->lock, NULL);
	err = find_daemon(source);
	if (err > 0) {
		config.why_off = source->why_off;
		err = pod_logs__new(options->pod_logs, &source->pod_logs);
		config.pod_logs = source->pod_logs;
		source->taker = err ? NULL : taker__new(&config);
		source->sampler = sampler__new(NULL);
		err = source->taker && source->sampler ? 0 : -ENOMEM;
		if (!err)
			err = sampler__start(source->sampler, source->taker, NULL, NULL);
	}
	if (err) {
		fail_asking(options->socket, err, ret_error);
		report_source__close(source);
		return err;
	}
	*ret = source;
	return 0;
}

void report_source__close(struct report_source *source)
{
	if (!source)
		return;
	if (source->first >= 0)
		close(source->first);
	sampler__free(source->sampler);
	taker__free(source->taker);
	pod_logs__free(source->pod_logs);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

const char *report_source__why_off(const struct report_source *source)
{
	return source->taker ? source->why_off : NULL;
}

int report_source__get(struct report_source *source, pid_t pid, const struct options *options,
		       struct buf *ret, struct buf *ret_error)
{
	if (source->taker)
		return take(source, pid, options, ret, ret_error);
	return ask_for(source, pid, options, ret, ret_error);
}

void report_source__cancel(struct report_source *source)
{
	pthread_mutex_lock(&source->lock);
	source->visitor.stop = true;
	if (source->fd >= 0)
		shutdown(source->fd, SHUT_RDWR);
	pthread_mutex_unlock(&source->lock);
}
