// SPDX-License-Identifier: BSD-2-Clause
/* The command line and the config file: what they give, and what their errors say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "options/options.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define MAX_ARGS 12

/* Parses with standard output and error caught in *said. 0, or the exit code. */
static int parse(const char *const args[MAX_ARGS], struct options *ret, struct buf *said)
{
	static char *argv[MAX_ARGS + 2] = {(char *)"memprov"}; /* ret->argv points into it */
	_cleanup_file_ FILE *caught = tmpfile();
	int argc = 1, old[2], code = -1, err;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	argv[argc] = NULL;
	assert_non_null(caught);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		old[i] = dup(i + 1);
		dup2(fileno(caught), i + 1);
	}
	err = options__parse(argc, argv, ret, &code);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		dup2(old[i], i + 1);
		close(old[i]);
	}
	lseek(fileno(caught), 0, SEEK_SET);
	assert_int_equal(buf__read_fd(said, fileno(caught), 64 * 1024), 0);
	return err ? code : 0;
}

/* For command lines that are right. */
static void parse_good(struct options *ret, const char *const args[MAX_ARGS])
{
	_cleanup_buf_ struct buf said = {};
	int code = parse(args, ret, &said);

	if (code || said.len)
		fail_msg("%s %s: exit %d: %s", args[0], args[1] ?: "", code, said.data);
}

#define GOOD(ret, ...) parse_good(ret, (const char *const[MAX_ARGS]){__VA_ARGS__})

static void test_defaults(void **state)
{
	struct options o;

	GOOD(&o, "serve");
	assert_int_equal(o.command, COMMAND_SERVE);
	assert_string_equal(o.listen, "127.0.0.1:6060");
	assert_null(o.metrics_listen);
	assert_int_equal(o.backend, BACKEND_AUTO);
	assert_int_equal(o.unwind, MP_UNWIND_CFI);
	assert_int_equal(o.stack_min, 65536);
	assert_int_equal(o.ring_size, 8 << 20);
	assert_string_equal(o.socket, "/run/memprov.sock");
	assert_string_equal(o.proc, "/proc");
	assert_int_equal(o.pid, 0);
	assert_null(o.history);
	assert_int_equal(o.history_keep, 14 * 24 * 3600);
	assert_int_equal(o.history_size, 256 << 20);

	GOOD(&o, "history");
	assert_int_equal(o.command, COMMAND_HISTORY);
	assert_int_equal(o.pid, 0);
	assert_null(o.from);
	assert_null(o.step);

	GOOD(&o, "show");
	assert_int_equal(o.command, COMMAND_SHOW);
	assert_int_equal(o.top, 20);
	assert_false(o.all);
	assert_false(o.kilobytes);
	assert_int_equal(o.format, FORMAT_TEXT);
	assert_null(o.output);

	GOOD(&o, "doctor");
	assert_int_equal(o.command, COMMAND_DOCTOR);
}

/* The analyzer that this replaces is called with -pid N -top N -all. */
static void test_every_spelling(void **state)
{
	struct options o;

	GOOD(&o, "show", "-pid", "7", "-top", "3", "-all");
	assert_int_equal(o.pid, 7);
	assert_int_equal(o.top, 3);
	assert_true(o.all);
	GOOD(&o, "show", "--pid=8", "-top=4", "--format", "json", "--unit=kB", "-o", "f");
	assert_int_equal(o.pid, 8);
	assert_int_equal(o.top, 4);
	assert_int_equal(o.format, FORMAT_JSON);
	assert_true(o.kilobytes);
	assert_string_equal(o.output, "f");
	GOOD(&o, "show", "4194304", "--all");
	assert_int_equal(o.pid, 4194304);
	GOOD(&o, "show", "--all", "--", "9");
	assert_int_equal(o.pid, 9);
	GOOD(&o, "show", "--top", "3", "--top", "10000"); /* the last one counts */
	assert_int_equal(o.top, 10000);
}

static void test_values_of_history(void **state)
{
	struct options o;

	GOOD(&o, "history", "7", "--from", "-2h30m", "--to=now", "--step", "5m", "--by", "touch");
	assert_int_equal(o.pid, 7);
	assert_string_equal(o.from, "-2h30m");
	assert_string_equal(o.to, "now");
	assert_string_equal(o.step, "5m");
	assert_true(o.by_touch);
	GOOD(&o, "history", "--pod", "a/b", "--start-time", "2026-11-22T21:31:07Z");
	assert_string_equal(o.pod, "a/b");
	GOOD(&o, "serve", "--history", "/h", "--history-keep", "36h", "--history-size", "1M");
	assert_string_equal(o.history, "/h");
	assert_int_equal(o.history_keep, 36 * 3600);
	assert_int_equal(o.history_size, 1 << 20);
}

static void test_values_of_serve(void **state)
{
	struct options o;

	GOOD(&o, "serve", "--listen", "0.0.0.0:1", "--token-file", "t", "--host-names", "a,b");
	assert_string_equal(o.token_file, "t");
	assert_false(o.require_token);
	GOOD(&o, "serve", "--require-token", "--token-file", "t");
	assert_true(o.require_token);
	GOOD(&o, "serve", "--listen", "[::]:1", "--tls-client-ca", "a", "--tls-cert", "c",
	     "--tls-key", "k");
	GOOD(&o, "serve", "--listen", "[::1]:0", "--metrics-listen", "0.0.0.0:65535", "--ring-size",
	     "1G", "--stack-min", "0");
	assert_string_equal(o.listen, "[::1]:0");
	assert_string_equal(o.metrics_listen, "0.0.0.0:65535");
	assert_int_equal(o.ring_size, 1 << 30);
	assert_int_equal(o.stack_min, 0);
	GOOD(&o, "serve", "--listen", "127.255.0.1:1", "--ring-size", "65536", "--backend", "fexit",
	     "--unwind", "none");
	assert_int_equal(o.ring_size, 65536);
	assert_int_equal(o.backend, BACKEND_FEXIT);
	assert_int_equal(o.unwind, MP_UNWIND_NONE);
	GOOD(&o, "serve", "--listen", "localhost:80", "--stack-min", "2m");
	assert_int_equal(o.stack_min, 2 << 20);
}

/* What follows -- or the first word that is no option is the program's, whatever it looks like. */
static void test_values_of_run(void **state)
{
	struct options o;

	GOOD(&o, "run", "--", "ls");
	assert_int_equal(o.command, COMMAND_RUN);
	assert_string_equal(o.argv[0], "ls");
	assert_null(o.argv[1]);
	assert_int_equal(o.top, 20);
	assert_int_equal(o.ring_size, 8 << 20);
	assert_false(o.no_ptrace);
	GOOD(&o, "run", "--top", "3", "-all", "--no-ptrace", "--ring-size=1M", "-o", "f", "--",
	     "--top", "--");
	assert_int_equal(o.top, 3);
	assert_true(o.all && o.no_ptrace);
	assert_int_equal(o.ring_size, 1 << 20);
	assert_string_equal(o.output, "f");
	assert_string_equal(o.argv[0], "--top");
	assert_string_equal(o.argv[1], "--");
	assert_null(o.argv[2]);
	GOOD(&o, "run", "--all", "ls", "--top", "--help");
	assert_true(o.all);
	assert_string_equal(o.argv[0], "ls");
	assert_string_equal(o.argv[2], "--help");
	GOOD(&o, "run", "-", "x");
	assert_string_equal(o.argv[0], "-");
	GOOD(&o, "run", "--", "");
	assert_string_equal(o.argv[0], "");
}

static void test_values_of_top_and_diff(void **state)
{
	struct options o;

	GOOD(&o, "top");
	assert_int_equal(o.interval, 2);
	assert_int_equal(o.sort, SORT_RSS);
	assert_false(o.once);
	GOOD(&o, "top", "--interval", "10", "--sort", "growth", "--once", "--socket", "s");
	assert_int_equal(o.interval, 10);
	assert_int_equal(o.sort, SORT_GROWTH);
	assert_true(o.once);
	GOOD(&o, "diff", "a", "--top", "3", "-", "--format", "json");
	assert_string_equal(o.files[0], "a");
	assert_string_equal(o.files[1], "-");
	assert_int_equal(o.format, FORMAT_JSON);
	assert_true(o.fail_over == FAIL_OVER_OFF);
	GOOD(&o, "diff", "--fail-over", "0", "--", "-a", "--top");
	assert_string_equal(o.files[0], "-a");
	assert_string_equal(o.files[1], "--top");
	assert_int_equal(o.fail_over, 0);
	GOOD(&o, "diff", "a", "b", "--fail-over", "16M");
	assert_int_equal(o.fail_over, 16 << 20);
}

static void test_usage_errors(void **state)
{
	static const struct {
		const char *args[MAX_ARGS];
		const char *says[2]; /* what was wrong; what is accepted */
	} table[] = {
		{{NULL}, {"a command is missing", "serve, show, run, top, diff, history, doctor"}},
		{{""}, {"unknown command ''", "serve, show, run, top, diff, history, doctor"}},
		{{"runs"},
		 {"unknown command 'runs'", "serve, show, run, top, diff, history, doctor"}},
		{{"--top", "1"},
		 {"unknown command '--top'", "serve, show, run, top, diff, history, doctor"}},
		{{"serve", "--nope"}, {"unknown option '--nope'", "--listen"}},
		{{"serve", "--nope\n\x1b"},
		 {"unknown option '--nope?"
		  "?'",
		  "--listen"}},
		{{"serve", "--top", "3"}, {"does not take the option '--top'", "--listen"}},
		{{"serve", "3"}, {"unexpected argument '3'", "options"}},
		{{"doctor", "--pid", "3"}, {"does not take the option '--pid'", "--help"}},
		{{"show", "1", "2"}, {"unexpected argument '2'", "one PID or name"}},
		{{"show", "1x"}, {"PID: '1x' is not a number", "1 to 4194304"}},
		{{"history", "x"}, {"PID: 'x' is not a number", "1 to 4194304"}},
		{{"show", "-"}, {"PID: '-' is not a number", "1 to 4194304"}},
		{{"show", "--", "-1"}, {"PID: '-1' is not a number", "1 to 4194304"}},
		/* Abbreviations would become part of the contract. */
		{{"show", "--tp", "3"}, {"unknown option '--tp'", "--top"}},
		{{"show", "--to", "now"}, {"does not take the option '--to'", "--top"}},
		{{"show", "--forma=json"}, {"unknown option '--forma=json'", "--format"}},
		/* getopt would write to a file "utput". */
		{{"show", "-output", "x"}, {"unknown option '-output'", "-o"}},
		{{"show", "--o", "x"}, {"unknown option '--o'", "-o"}},
		{{"show", "--all=1"}, {"--all takes no value", ""}},
		{{"show", "--top"}, {"--top: the value is missing", "1 to 10000"}},
		{{"show", "--top", ""}, {"--top: '' is not a number", "1 to 10000"}},
		{{"show", "--top", "0"}, {"--top: '0' is out of range", "1 to 10000"}},
		{{"show", "--top=10001"}, {"--top: '10001' is out of range", "1 to 10000"}},
		{{"show", "--top", "1k"}, {"--top: '1k' is not a number", "1 to 10000"}},
		{{"show", "--pid", "0"}, {"--pid: '0' is out of range", "1 to 4194304"}},
		{{"show", "--pid", "4294967297"}, {"out of range", "1 to 4194304"}},
		{{"show", "--format", "xml"}, {"'xml' is not known", "text, json"}},
		{{"show", "--format", "Pprof"}, {"Pprof", "text, json, pprof, folded"}},
		{{"show", "--format", "Folded"}, {"Folded", "text, json"}},
		{{"show", "--unit", "GB"}, {"--unit: 'GB'", "MB, kB"}},
		{{"show", "-o", ""}, {"-o: the value is empty", "file"}},
		{{"run"}, {"program is missing", "-- CMD"}},
		{{"run", "--all", "--"}, {"program is missing", "-- CMD"}},
		{{"run", "--pid", "3", "--", "x"}, {"does not take the option '--pid'", "--top"}},
		{{"run", "--socket=s", "x"}, {"does not take the option", "--no-ptrace"}},
		{{"run", "--top", "0", "x"}, {"--top: '0' is out of range", "1 to 10000"}},
		{{"show", "--no-ptrace"}, {"does not take the option '--no-ptrace'", "--top"}},
		{{"top", "3"}, {"unexpected argument '3'", "options"}},
		{{"top", "--sort", "cpu"}, {"'cpu' is not known", "rss, pss, swap, change"}},
		{{"top", "--interval", "0"}, {"out of range", "1 to 3600"}},
		{{"top", "--fail-over", "1M"}, {"does not take the option", "--interval"}},
		{{"diff"}, {"two files are needed", "A B"}},
		{{"diff", "a"}, {"two files are needed", "A B"}},
		{{"diff", "a", "b", "c"}, {"unexpected argument 'c'", "two files"}},
		{{"diff", "-", "-"}, {"only one of A and B", "standard input"}},
		{{"diff", "a", "b", "--format", "folded"}, {"'folded'", "text, json"}},
		{{"diff", "a", "b", "--fail-over", "1x"}, {"'1x' is not a number", "suffix"}},
		{{"diff", "a", "b", "--fail-over=-1"}, {"'-1' is not a number", "suffix"}},
		{{"history", "1", "2"}, {"unexpected argument '2'", "one PID"}},
		{{"history", "--from", "1h"}, {"--from: '1h' is not understood", "-2h"}},
		{{"history", "--to", ""}, {"--to: '' is not understood", "2026-"}},
		{{"history", "--step", "0"}, {"--step: '0' is out of range", "5m"}},
		{{"history", "--by", "who"}, {"'who' is not known", "map, touch"}},
		{{"history", "--format", "pprof"}, {"'pprof'", "text, json"}},
		{{"serve", "--history", ""}, {"--history: the value is empty", "a file"}},
		{{"serve", "--history-keep", "59m"}, {"'59m' is out of range", "1h to 10 years"}},
		{{"serve", "--history-keep", "x"}, {"'x' is not understood", "14d"}},
		{{"serve", "--history-size", "1023k"}, {"out of range", "from 1M"}},
		{{"serve", "--alertmanager", "a:9093"},
		 {"--alertmanager: the scheme of 'a:9093' is wrong", "http://HOST:PORT"}},
		{{"serve", "--alertmanager", ""},
		 {"the scheme of '' is wrong", "https://HOST:PORT"}},
		{{"serve", "--alertmanager", "http://a:0"}, {"the port of 'http://a:0'", "takes"}},
		{{"serve", "--alertmanager", "http://me:secret@:1"},
		 {"--alertmanager: the host of '...@:1' is wrong", "USER:PASSWORD@"}},
		{{"serve", "--alertmanager-ca", "f"},
		 {"--alertmanager-ca: no Alertmanager", "--alertmanager https://"}},
		{{"serve", "--alertmanager-ca", "f", "--alertmanager", "http://a"},
		 {"--alertmanager-ca: no Alertmanager", "--alertmanager https://"}},
		{{"run", "--alertmanager", "http://a", "--", "true"},
		 {"does not take the option '--alertmanager'", "--unwind"}},
		{{"serve", "--listen", "0.0.0.0:6060"}, {"not a loopback", "--token-file"}},
		{{"serve", "--require-token"}, {"no token to require", "--token-file"}},
		{{"serve", "--tls-cert", "c"}, {"--tls-key is missing", "together"}},
		{{"serve", "--tls-key", "k"}, {"--tls-cert is missing", "together"}},
		{{"serve", "--tls-client-ca", "a"}, {"--tls-client-ca", "--tls-cert"}},
		{{"serve", "--listen", "0.0.0.0:1", "--tls-cert", "c", "--tls-key", "k"},
		 {"not a loopback", "--tls-client-ca"}},
		{{"serve", "--listen", "[::]:6060"}, {"not a loopback", "--tls-client-ca"}},
		{{"serve", "--listen", "128.0.0.1:1"}, {"not a loopback", "127.0.0.1:6060"}},
		{{"serve", "--listen", "[::ffff:127.0.0.1]:1"}, {"not a loopback", "[::1]:6060"}},
		{{"serve", "--listen", ":6060"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "6060"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "127.0.0.1"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "127.1:1"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "127.0.0.1:65536"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "127.0.0.1:-1"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "::1:6060"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "[::1:6060"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "[]:6060"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--listen", "example.com:1"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--metrics-listen", "x"}, {"not an address", "ADDR:PORT"}},
		{{"serve", "--ring-size", "32k"}, {"out of range", "64k to 1G"}},
		{{"serve", "--ring-size", "2G"}, {"out of range", "64k to 1G"}},
		{{"serve", "--ring-size", "3M"}, {"not a power of two", "64k to 1G"}},
		{{"serve", "--ring-size", "8MB"}, {"not a number", "64k to 1G"}},
		{{"serve", "--ring-size", "99999999999999999G"}, {"out of range", "64k to 1G"}},
		{{"serve", "--stack-min", "-1"}, {"not a number", "suffix"}},
		{{"serve", "--stack-min", ""}, {"not a number", "suffix"}},
		{{"serve", "--stack-min", "64q"}, {"not a number", "suffix"}},
		{{"serve", "--stack-min", "129T"}, {"not a number", "suffix"}},
		{{"run", "--stack-min", "131073G", "--", "true"}, {"out of range", "suffix"}},
		{{"serve", "--backend", "kprobe"}, {"not known", "auto, fexit, tracepoint"}},
		{{"serve", "--unwind", ""}, {"not known", "auto, fp, cfi, none"}},
		{{"serve", "--unwind", "CFI"}, {"not known", "auto, fp, cfi, none"}},
		{{"run", "--unwind", "dwarf", "--", "true"}, {"not known", "auto, fp, cfi, none"}},
		{{"serve", "--socket", ""}, {"empty", "1 to 107"}},
		{{"serve", "--socket",
		  "/00000000011111111112222222222333333333344444444445555555555666666666677777777"
		  "778888888888999999999900000000"},
		 {"too long", "1 to 107"}},
		{{"serve", "--config", "/nonexistent"}, {"config file /nonexistent", "No such"}},
		{{"serve", "--config", "/"}, {"config file /", "Is a directory"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_buf_ struct buf said = {};
		struct options o;
		int code = parse(table[i].args, &o, &said);
		const char *text = said.data;

		/* One line, from memprov, exit code 2. */
		if (code != EXIT_USAGE || strncmp(text, "memprov: ", 9) ||
		    strchr(text, '\n') != text + said.len - 1)
			fail_msg("row %zu: exit %d: %s", i, code, text);
		for (int j = 0; j < 2; j++) {
			if (!strstr(text, table[i].says[j]))
				fail_msg("row %zu: %s does not say '%s'", i, text,
					 table[i].says[j]);
		}
	}
}

static void test_help_and_version(void **state)
{
	static const struct {
		const char *args[MAX_ARGS];
		const char *says;
	} table[] = {
		{{"--version"}, "memprov " MEMPROV_VERSION "\n"},
		{{"--help"}, "serve "},
		{{"-h"}, "doctor "},
		{{"-help"}, "show "},
		{{"serve", "--help"}, "--metrics-listen ADDR:PORT"},
		{{"show", "--top", "3", "-h"}, "--format text|json"},
		{{"doctor", "--help"}, "usage: memprov doctor"},
		{{"run", "--help", "--", "--version"}, "usage: memprov run [OPTION]... -- CMD"},
		{{"run", "-h"}, "--no-ptrace"},
		{{"top", "-h"}, "--interval SECONDS"},
		{{"diff", "-h"}, "usage: memprov diff [OPTION]... A B"},
		{{"diff", "-h"}, "--fail-over SIZE"},
		{{"run", "-h"}, "first instruction, reports at its end\n"},
		{{"show", "--version"}, "memprov " MEMPROV_VERSION "\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_buf_ struct buf said = {};
		struct options o;

		assert_int_equal(parse(table[i].args, &o, &said), EXIT_DONE);
		assert_non_null(strstr(said.data, table[i].says));
	}
}

static int parse_config(const char *text, struct options *ret, char error[OPTIONS_ERROR_LEN])
{
	static char copy[4096]; /* strings of ret point into it */

	options__init(ret);
	strcpy(copy, text);
	error[0] = '\0';
	return options__parse_config("f", copy, strlen(copy), ret, error);
}

static void test_config(void **state)
{
	char error[OPTIONS_ERROR_LEN];
	struct options o;

	assert_int_equal(parse_config("# all of it\n"
				      "\n"
				      "  listen = [::1]:6061\t# loopback\r\n"
				      "socket=/tmp/a#b\n"
				      "metrics-listen =0.0.0.0:9\n"
				      "pid= 12\n"
				      "backend = tracepoint\n"
				      "unwind = fp\n"
				      "stack-min = 1M\n"
				      "ring-size = 1M\n"
				      "ring-size = 2M\n"
				      "proc = /host = proc",
				      &o, error),
			 0);
	assert_string_equal(o.listen, "[::1]:6061");
	assert_string_equal(o.socket, "/tmp/a#b");
	assert_string_equal(o.metrics_listen, "0.0.0.0:9");
	assert_int_equal(o.pid, 12);
	assert_int_equal(o.backend, BACKEND_TRACEPOINT);
	assert_int_equal(o.unwind, MP_UNWIND_FP);
	assert_int_equal(o.stack_min, 1 << 20);
	assert_int_equal(o.ring_size, 2 << 20);
	assert_string_equal(o.proc, "/host = proc");
	assert_int_equal(parse_config("", &o, error), 0);
	assert_int_equal(parse_config("#", &o, error), 0);
}

static void test_config_errors(void **state)
{
	static const struct {
		const char *text;
		const char *says[2];
	} table[] = {
		{"\n\nlisten\n", {"f:3: ", "key = value"}},
		{"listen # = x\n", {"f:1: ", "key = value"}},
		{"= x", {"f:1: unknown key ''", "listen, host-names"}},
		{"pid = 1\nnope = 1\n", {"f:2: unknown key 'nope'", "listen, host-names"}},
		{"--listen = 127.0.0.1:1", {"unknown key '--listen'", "listen"}},
		{"config = f", {"unknown key 'config'", "listen"}},
		{"top = 1", {"unknown key 'top'", "listen"}},
		{"help = 1", {"unknown key 'help'", "listen"}},
		{"ring-size =", {"f:1: ring-size: '' is not a number", "64k to 1G"}},
		{"pid = 1 2", {"pid: '1 2' is not a number", "1 to 4194304"}},
		{"alertmanager = http://a\nalertmanager = http:/b",
		 {"f:2: alertmanager: the scheme of 'http:/b' is wrong", "http://HOST:PORT"}},
		{"proc = # none", {"proc: the value is empty", "directory"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char error[OPTIONS_ERROR_LEN];
		struct options o;

		assert_int_not_equal(parse_config(table[i].text, &o, error), 0);
		for (int j = 0; j < 2; j++) {
			if (!strstr(error, table[i].says[j]))
				fail_msg("row %zu: %s does not say '%s'", i, error,
					 table[i].says[j]);
		}
	}
}

static void test_nul_in_config(void **state)
{
	char text[] = "pid = 1\npid = 2\0 3\n", error[OPTIONS_ERROR_LEN];
	struct options o;

	options__init(&o);
	assert_int_not_equal(options__parse_config("f", text, sizeof(text) - 1, &o, error), 0);
	assert_non_null(strstr(error, "f:2: "));
}

static void test_alertmanagers(void **state)
{
	const char *nine[MAX_ARGS] = {"serve"};
	_cleanup_buf_ struct buf said = {};
	struct options o;

	GOOD(&o, "serve");
	assert_null(o.alertmanagers[0]);
	GOOD(&o, "serve", "--alertmanager", "http://a:9093", "--alertmanager=https://me:x@[::1]/am",
	     "--alertmanager-ca", "/ca");
	assert_string_equal(o.alertmanagers[0], "http://a:9093");
	assert_string_equal(o.alertmanagers[1], "https://me:x@[::1]/am");
	assert_null(o.alertmanagers[2]);
	assert_string_equal(o.alertmanager_ca, "/ca");
	for (int i = 1; i <= ALERTMANAGERS_MAX + 1; i++)
		nine[i] = "--alertmanager=http://a";
	assert_int_equal(parse(nine, &o, &said), EXIT_USAGE);
	assert_string_equal(said.data,
			    "memprov: --alertmanager: more than 8 are given; takes at most "
			    "8\n");
}

/* Those of the command line are instead of the file's, not beside them. */
static void test_alertmanagers_in_config(void **state)
{
	char path[] = "/tmp/memprov-test-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	struct options o;

	assert_true(fd >= 0);
	dprintf(fd, "alertmanager = http://a\nalertmanager = http://b # two\n");
	GOOD(&o, "serve", "--config", path);
	assert_string_equal(o.alertmanagers[0], "http://a");
	assert_string_equal(o.alertmanagers[1], "http://b");
	assert_null(o.alertmanagers[2]);
	options__free(&o);
	GOOD(&o, "serve", "--alertmanager", "http://c", "--config", path);
	unlink(path);
	assert_string_equal(o.alertmanagers[0], "http://c");
	assert_null(o.alertmanagers[1]);
	options__free(&o);
}

static void test_command_line_wins(void **state)
{
	char path[] = "/tmp/memprov-test-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	struct options o;

	assert_true(fd >= 0);
	dprintf(fd, "listen = 127.0.0.1:1\npid = 1\nproc = /other\n");
	GOOD(&o, "serve", "--pid", "2", "--config", path, "-listen=127.0.0.1:3");
	unlink(path);
	assert_string_equal(o.listen, "127.0.0.1:3");
	assert_int_equal(o.pid, 2);
	assert_string_equal(o.proc, "/other");
	options__free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_spelling),
		cmocka_unit_test(test_values_of_run),
		cmocka_unit_test(test_values_of_history),
		cmocka_unit_test(test_values_of_serve),
		cmocka_unit_test(test_values_of_top_and_diff),
		cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_errors),
		cmocka_unit_test(test_nul_in_config),
		cmocka_unit_test(test_alertmanagers),
		cmocka_unit_test(test_alertmanagers_in_config),
		cmocka_unit_test(test_command_line_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
