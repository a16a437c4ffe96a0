// SPDX-License-Identifier: BSD-2-Clause
#include "options/options_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "options/address.h"
#include "options/url.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/number.h"
#include "util/quote.h"
#include "util/when.h"

#define SERVE  (1u << COMMAND_SERVE)
#define SHOW   (1u << COMMAND_SHOW)
#define RUN    (1u << COMMAND_RUN)
#define TOP    (1u << COMMAND_TOP)
#define DIFF   (1u << COMMAND_DIFF)
#define HIST   (1u << COMMAND_HISTORY)
#define DOCTOR (1u << COMMAND_DOCTOR)
#define ALL    (SERVE | SHOW | RUN | TOP | DIFF | HIST | DOCTOR)

const struct command_row command_table[] = {
	[COMMAND_SERVE] = {"serve", "", WORDS_NONE, "the daemon: traces the node, answers HTTP"},
	[COMMAND_SHOW] = {"show", " [PID|NAME]", WORDS_PROCESS,
			  "one report of a process on the terminal"},
	[COMMAND_RUN] = {"run", " -- CMD [ARG]...", WORDS_PROGRAM,
			 "starts CMD, traces it from its first instruction, reports at its end"},
	[COMMAND_TOP] = {"top", "", WORDS_NONE, "live view of the machine's processes"},
	[COMMAND_DIFF] = {"diff", " A B", WORDS_FILES, "what grew between two saved JSON reports"},
	[COMMAND_HISTORY] = {"history", " [PID]", WORDS_PID,
			     "how the memory of a process or of the machine came here"},
	[COMMAND_DOCTOR] = {"doctor", "", WORDS_NONE,
			    "what this kernel and these privileges allow"},
};

const size_t command_table_len = ARRAY_SIZE(command_table);

static const struct choice backends[] = {
	{"auto", BACKEND_AUTO}, {"fexit", BACKEND_FEXIT}, {"tracepoint", BACKEND_TRACEPOINT}, {}};
static const struct choice colors[] = {
	{"auto", COLOR_AUTO}, {"always", COLOR_ALWAYS}, {"never", COLOR_NEVER}, {}};
static const struct choice touches[] = {{"auto", TOUCH_AUTO}, {"off", TOUCH_NEVER}, {}};
static const struct choice unwinds[] = {{"auto", MP_UNWIND_CFI},
					{"fp", MP_UNWIND_FP},
					{"cfi", MP_UNWIND_CFI},
					{"none", MP_UNWIND_NONE},
					{}};
static const struct choice seccomp_modes[] = {
	{"enforce", SECCOMP_ENFORCE}, {"log", SECCOMP_LOG}, {"off", SECCOMP_OFF}, {}};
static const struct choice formats[] = {{"text", FORMAT_TEXT},
					{"json", FORMAT_JSON},
					{"pprof", FORMAT_PPROF},
					{"folded", FORMAT_FOLDED},
					{}};
static const struct choice diff_formats[] = {{"text", FORMAT_TEXT}, {"json", FORMAT_JSON}, {}};
static const struct choice sorts[] = {
	{"rss", SORT_RSS},	 {"pss", SORT_PSS}, {"swap", SORT_SWAP}, {"change", SORT_CHANGE},
	{"growth", SORT_GROWTH}, {"pid", SORT_PID}, {"name", SORT_NAME}, {}};
static const struct choice bys[] = {{"map", false}, {"touch", true}, {}};
static const struct choice units[] = {{"MB", false}, {"kB", true}, {}};

#define FIELD(member)                                                                              \
	.offset = offsetof(struct options, member), .size = sizeof(((struct options *)0)->member)

const struct option option_table[] = {
	{"config", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a file", FIELD(config),
	 .doc = "read options from FILE: 'key = value' lines, the command line wins"},
	{"listen", 0, KIND_ADDRESS, SERVE, "ADDR:PORT", "127.0.0.1:6060",
	 "ADDR:PORT, such as 127.0.0.1:6060 or [::1]:6060 (port 0: a free one)", FIELD(listen),
	 .doc = "the debug listener, all routes; others than loopback take a token or a client CA"},
	{"host-names", 0, KIND_TEXT, SERVE, "NAME,...", NULL, "names, separated by commas",
	 FIELD(host_names), .doc = "what --listen is called, besides localhost and addresses"},
	{"token-file", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a file", FIELD(token_file),
	 .doc = "callers with its secret ('Authorization: Bearer ...') may read everything"},
	{"require-token", 0, KIND_FLAG, SERVE, FIELD(require_token),
	 .doc = "callers on loopback, too, need the token or a certificate"},
	{"tls-cert", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a PEM file", FIELD(tls_cert),
	 .doc = "--listen talks TLS, with this certificate chain"},
	{"tls-key", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a PEM file", FIELD(tls_key),
	 .doc = "its private key"},
	{"tls-client-ca", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a PEM file",
	 FIELD(tls_client_ca), .doc = "callers with a certificate of this CA may read everything"},
	{"socket", 0, KIND_SOCKET, SERVE | SHOW | TOP | HIST, "PATH", "/run/memprov.sock",
	 "a path of 1 to 107 bytes", FIELD(socket),
	 .doc = "the daemon's unix socket: the same routes"},
	{"metrics-listen", 0, KIND_ADDRESS, SERVE, "ADDR:PORT", NULL,
	 "ADDR:PORT, such as 0.0.0.0:9090 or [::]:9090 (port 0: a free one)", FIELD(metrics_listen),
	 .doc = "only /metrics, /healthz and /readyz; may be any address"},
	{"pid", 0, KIND_PID, SERVE | SHOW | HIST, "N", NULL, "a process ID from 1 to 4194304",
	 FIELD(pid), .min = 1, .max = OPTIONS_PID_MAX,
	 .doc = "the process to describe (show: itself, otherwise: the node)"},
	{"backend", 0, KIND_CHOICE, SERVE | RUN, "auto|fexit|tracepoint", "auto", NULL, backends,
	 FIELD(backend), .doc = "how BPF attaches"},
	{"unwind", 0, KIND_CHOICE, SERVE | RUN, "auto|fp|cfi|none", "auto", NULL, unwinds,
	 FIELD(unwind), .doc = "how user stacks are taken: copied (cfi) or by frame pointers"},
	{"stack-min", 0, KIND_BYTES, SERVE | RUN, "BYTES", "64k",
	 "a number of bytes, with a suffix k, M or G if wanted", FIELD(stack_min), .min = 0,
	 .max = 1ULL << 47, .doc = "smaller mappings get a stack by frame pointers only"},
	{"touch", 0, KIND_CHOICE, SERVE | RUN, "auto|off", "auto", NULL, touches, FIELD(touch),
	 .doc = "whether page faults are sampled: what touched memory first"},
	{"touch-rate", 0, KIND_NUMBER, SERVE | RUN, "N", "200", "a number from 1 to 100000",
	 FIELD(touch_rate), .min = 1, .max = 100000,
	 .doc = "of these, samples a second and CPU at most, on average"},
	{"ring-size", 0, KIND_POWER_OF_TWO, SERVE | RUN, "BYTES", "8M",
	 "a power of two from 64k to 1G (bytes, or with a suffix k, M or G)", FIELD(ring_size),
	 .min = 64 << 10, .max = 1 << 30, .doc = "size of the BPF ring buffer"},
	{"memory-limit", 0, KIND_BYTES, SERVE, "BYTES", NULL,
	 "a number of bytes from 64M, with a suffix k, M or G if wanted", FIELD(memory_limit),
	 .min = 64 << 20, .max = 1ULL << 40,
	 .doc = "memory of the daemon and its symbolizer (default: by its cgroup, or 1G)"},
	{"cpu-limit", 0, KIND_NUMBER, SERVE, "PERCENT", "10",
	 "percent of one core, a number from 1 to 100", FIELD(cpu_limit), .min = 1, .max = 100,
	 .doc = "CPU time for following processes: of storms, stacks are left out, then events"},
	{"history", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a file", FIELD(history),
	 .doc = "where history is kept (default: the last hour, in memory)"},
	{"history-keep", 0, KIND_DURATION, SERVE, "DURATION", "14d",
	 "a duration from 1h to 10 years, such as 36h or 14d", FIELD(history_keep), .min = 3600,
	 .max = 3650ULL * 24 * 3600, .doc = "how long; what is older goes"},
	{"history-size", 0, KIND_BYTES, SERVE, "BYTES", "256M",
	 "a number of bytes from 1M, with a suffix k, M or G if wanted", FIELD(history_size),
	 .min = 1 << 20, .max = 1ULL << 40,
	 .doc = "bound of the file; the oldest, finest goes first"},
	{"alertmanager", 0, KIND_URLS, SERVE, "URL", NULL, URL_TAKES, FIELD(alertmanagers),
	 .doc = "where growth alerts are sent (Alertmanager's API v2); may be given again"},
	{"alertmanager-ca", 0, KIND_FILE, SERVE, "FILE", NULL, "the path of a PEM file",
	 FIELD(alertmanager_ca), .doc = "the CAs of https Alertmanagers, instead of the system's"},
	{"seccomp", 0, KIND_CHOICE, SERVE, "enforce|log|off", "enforce", NULL, seccomp_modes,
	 FIELD(seccomp),
	 .doc = "system calls that the daemon does not use: refused, or only logged"},
	{"proc", 0, KIND_DIRECTORY, SERVE | SHOW | RUN | TOP, "PATH", "/proc",
	 "the path of a directory", FIELD(proc), .doc = "where the host's procfs is mounted"},
	{"pod-logs", 0, KIND_DIRECTORY, SERVE | SHOW | RUN | TOP, "PATH", "/var/log",
	 "the path of a directory", FIELD(pod_logs),
	 .doc = "where the kubelet's pods/ and containers/ are: names of pods"},
	{"top", 0, KIND_NUMBER, SHOW | RUN | TOP | DIFF | HIST, "N", "20",
	 "a number from 1 to 10000", FIELD(top), .min = 1, .max = OPTIONS_TOP_MAX,
	 .doc = "rows of each list"},
	{"all", 0, KIND_FLAG, SHOW | RUN | TOP | DIFF | HIST, FIELD(all),
	 .doc = "all rows instead"},
	{"format", 0, KIND_CHOICE, SHOW | RUN, "text|json|pprof|folded", "text", NULL, formats,
	 FIELD(format), .doc = "how the report is written"},
	{"unit", 0, KIND_CHOICE, SHOW | RUN | TOP | DIFF | HIST, "MB|kB", "MB", NULL, units,
	 FIELD(kilobytes), .doc = "unit of the text report"},
	{NULL, 'o', KIND_FILE, SHOW | RUN | DIFF | HIST, "FILE", NULL, "the path of a file",
	 FIELD(output), .doc = "write to FILE instead of standard output (run: standard error)"},
	{"format", 0, KIND_CHOICE, DIFF | HIST, "text|json", "text", NULL, diff_formats,
	 FIELD(format), .doc = "how the answer is written"},
	{"fail-over", 0, KIND_BYTES, DIFF, "SIZE", NULL,
	 "a number of bytes, with a suffix k, M or G if wanted", FIELD(fail_over), .min = 0,
	 .max = INT64_MAX, .doc = "exit with 1 when RSS grew by more than SIZE"},
	{"pod", 0, KIND_TEXT, HIST, "NS/NAME", NULL, "NAMESPACE/NAME", FIELD(pod),
	 .doc = "of a pod, instead of a process"},
	{"container", 0, KIND_TEXT, HIST, "ID", NULL,
	 "a container's id, or at least its first 12 digits", FIELD(container),
	 .doc = "of a container"},
	{"start-time", 0, KIND_MOMENT, HIST, "TIME", NULL, WHEN_TAKES_MOMENT, FIELD(start_time),
	 .doc = "of the process with that PID which started then (default: the latest)"},
	{"from", 0, KIND_MOMENT, HIST, "TIME", NULL, WHEN_TAKES_MOMENT, FIELD(from),
	 .doc = "the first moment: RFC 3339, or an age (default: an hour earlier)"},
	{"to", 0, KIND_MOMENT, HIST, "TIME", NULL, WHEN_TAKES_MOMENT, FIELD(to),
	 .doc = "the last moment (default: now)"},
	{"step", 0, KIND_STEP, HIST, "DURATION", NULL, WHEN_TAKES_DURATION, FIELD(step), .min = 1,
	 .max = 3650ULL * 24 * 3600,
	 .doc = "from one moment to the next (default: as they are kept)"},
	{"by", 0, KIND_CHOICE, HIST, "map|touch", "map", NULL, bys, FIELD(by_touch),
	 .doc = "call sites that mapped memory, or that touched it"},
	{"color", 0, KIND_CHOICE, SHOW | DIFF | HIST | DOCTOR, "auto|always|never", "auto", NULL,
	 colors, FIELD(color), .doc = "coloured text: on a terminal (auto), or always, or never"},
	{"interval", 0, KIND_NUMBER, TOP, "SECONDS", "2", "a number of seconds from 1 to 3600",
	 FIELD(interval), .min = 1, .max = 3600, .doc = "seconds from one frame to the next"},
	{"sort", 0, KIND_CHOICE, TOP, "COLUMN", "rss", NULL, sorts, FIELD(sort),
	 .doc = "rss, pss, swap, change, growth, pid or name"},
	{"once", 0, KIND_FLAG, TOP, FIELD(once), .doc = "print one frame as plain text"},
	{"no-ptrace", 0, KIND_FLAG, RUN, FIELD(no_ptrace),
	 .doc = "leave ptrace to CMD; its end is then the last that was seen of it"},
	{"help", 'h', KIND_HELP, ALL, .doc = "this text"},
	{"version", 0, KIND_VERSION, ALL, .doc = "the version of memprov"},
};

const size_t option_table_len = ARRAY_SIZE(option_table);

int option__fail(char error[OPTIONS_ERROR_LEN], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, OPTIONS_ERROR_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

void option__list(char *list, size_t size, const char *dashes, const char *name)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s%s", len ? ", " : "", dashes, name);
}

static void store(const struct option *o, uint64_t value, struct options *ret)
{
	void *field = (char *)ret + o->offset;

	if (o->size == sizeof(uint64_t))
		*(uint64_t *)field = value;
	else if (o->size == sizeof(uint32_t))
		*(uint32_t *)field = value;
	else
		*(bool *)field = value;
}

static int set_choice(const struct option *o, const char *value, struct options *ret,
		      char error[OPTIONS_ERROR_LEN])
{
	char quoted[QUOTE_LEN], takes[128] = "";
	const struct choice *c;

	for (c = o->choices; c->name; c++) {
		option__list(takes, sizeof(takes), "", c->name);
		if (!strcmp(c->name, value)) {
			store(o, c->value, ret);
			return 0;
		}
	}
	return option__fail(error, "'%s' is not known; accepted: %s", quote__text(value, quoted),
			    takes);
}

static int set_number(const struct option *o, const char *value, struct options *ret,
		      char error[OPTIONS_ERROR_LEN])
{
	char quoted[QUOTE_LEN];
	uint64_t number;
	int err;

	if (o->kind == KIND_NUMBER || o->kind == KIND_PID)
		err = number__parse(value, o->min, o->max, &number);
	else
		err = number__parse_bytes(value, o->min, o->max, &number);
	if (!err && o->kind == KIND_POWER_OF_TWO && number & (number - 1))
		err = -EDOM;
	if (err) {
		option__fail(error, "'%s' is %s; takes %s", quote__text(value, quoted),
			     err == -ERANGE ? "out of range"
			     : err == -EDOM ? "not a power of two"
					    : "not a number",
			     o->takes);
		return -EINVAL;
	}
	store(o, number, ret);
	return 0;
}

/* 0, or what is wrong in error. */
static int fail_time(const struct option *o, const char *value, int err,
		     char error[OPTIONS_ERROR_LEN])
{
	char quoted[QUOTE_LEN];

	if (!err)
		return 0;
	return option__fail(error, "'%s' is %s; takes %s", quote__text(value, quoted),
			    err == -ERANGE ? "out of range" : "not understood", o->takes);
}

static int set_duration(const struct option *o, const char *value, struct options *ret,
			char error[OPTIONS_ERROR_LEN])
{
	uint64_t seconds;
	int err = when__parse_duration(value, o->min, o->max, &seconds);

	if (!err)
		store(o, seconds, ret);
	return fail_time(o, value, err, error);
}

/* The daemon reads it again, by its own clock. */
static int check_time(const struct option *o, const char *value, char error[OPTIONS_ERROR_LEN])
{
	uint64_t parsed;
	int err = o->kind == KIND_STEP ? when__parse_duration(value, o->min, o->max, &parsed)
				       : when__parse_moment(value, clock__wall_ns(), &parsed);

	return fail_time(o, value, err, error);
}

static int check_address(const struct option *o, const char *value, char error[OPTIONS_ERROR_LEN])
{
	struct address address;
	char quoted[QUOTE_LEN];

	if (address__parse(value, &address)) {
		option__fail(error, "'%s' is not an address; takes %s", quote__text(value, quoted),
			     o->takes);
		return -EINVAL;
	}
	return 0;
}

static const char **urls_of(const struct option *o, const struct options *options)
{
	return (const char **)((char *)options + o->offset);
}

static int add_url(const struct option *o, const char *value, struct options *ret,
		   char error[OPTIONS_ERROR_LEN])
{
	size_t max = o->size / sizeof(char *), n = 0;
	const char **urls = urls_of(o, ret);
	const char *wrong, *secret = strrchr(value, '@');
	char quoted[QUOTE_LEN];
	struct url url;

	if (url__parse(value, &url, &wrong))
		return option__fail(error, "%s of '%s%s' is wrong; takes %s", wrong,
				    secret ? "..." : "", quote__text(secret ?: value, quoted),
				    o->takes);
	while (n < max && urls[n])
		n++;
	if (n == max)
		return option__fail(error, "more than %zu are given; takes at most %zu", max, max);
	urls[n] = value;
	return 0;
}

void option__forget(const struct option *o, struct options *options)
{
	memset(urls_of(o, options), 0, o->size);
}

bool option__is_given(const struct option *o, const struct options *options)
{
	return *urls_of(o, options);
}

int option__set(const struct option *o, const char *value, struct options *ret,
		char error[OPTIONS_ERROR_LEN])
{
	size_t max =
		o->kind == KIND_SOCKET ? sizeof(((struct sockaddr_un *)0)->sun_path) - 1 : 4095;
	char quoted[QUOTE_LEN];
	int err = 0;

	switch (o->kind) {
	case KIND_FLAG:
		/* A config file has a value for it, the command line none. */
		if (value && strcmp(value, "yes") && strcmp(value, "no"))
			return option__fail(error, "'%s' is not accepted; takes yes or no",
					    quote__text(value, quoted));
		store(o, !value || !strcmp(value, "yes"), ret);
		return 0;
	case KIND_NUMBER:
	case KIND_PID:
	case KIND_BYTES:
	case KIND_POWER_OF_TWO:
		return set_number(o, value, ret, error);
	case KIND_DURATION:
		return set_duration(o, value, ret, error);
	case KIND_CHOICE:
		return set_choice(o, value, ret, error);
	case KIND_URLS:
		return add_url(o, value, ret, error);
	case KIND_STEP:
	case KIND_MOMENT:
		err = check_time(o, value, error);
		break;
	case KIND_ADDRESS:
		err = check_address(o, value, error);
		break;
	default:
		if (*value && strlen(value) <= max)
			break;
		err = option__fail(error, "the value is %s; takes %s",
				   *value ? "too long" : "empty", o->takes);
	}
	if (!err)
		*(const char **)((char *)ret + o->offset) = value;
	return err;
}

void options__init(struct options *ret)
{
	char error[OPTIONS_ERROR_LEN];

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < option_table_len; i++) {
		if (option_table[i].initial)
			option__set(&option_table[i], option_table[i].initial, ret, error);
	}
	ret->fail_over = FAIL_OVER_OFF;
}

void options__free(struct options *o)
{
	buf__free(&o->config_text);
}
