/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line and the config file, as one constant value (man/memprov.1). Parsing prints
 * what was wrong, and what is accepted, in one line on stderr.
 */
#ifndef MEMPROV_OPTIONS_H
#define MEMPROV_OPTIONS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collect/backend.h"
#include "event.h"
#include "report/format.h"
#include "util/buf.h"

enum command {
	COMMAND_SERVE,
	COMMAND_SHOW,
	COMMAND_RUN,
	COMMAND_TOP,
	COMMAND_DIFF,
	COMMAND_HISTORY,
	COMMAND_DOCTOR,
};
enum color_option { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum touch_option { TOUCH_AUTO, TOUCH_NEVER };
enum seccomp_mode { SECCOMP_ENFORCE, SECCOMP_LOG, SECCOMP_OFF };
/* What `top` sorts by; the order of its columns. */
enum top_sort { SORT_PID, SORT_RSS, SORT_PSS, SORT_SWAP, SORT_CHANGE, SORT_GROWTH, SORT_NAME };

/* Exit codes of the program. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNSUPPORTED = 3 };

/* What the kernel can ever give out: PID_MAX_LIMIT (include/linux/threads.h). */
#define OPTIONS_PID_MAX (4 * 1024 * 1024)
#define OPTIONS_TOP_MAX 10000

#define ALERTMANAGERS_MAX 8

#define FAIL_OVER_OFF UINT64_MAX

struct options {
	enum command command;

	/* serve */
	const char *config;	    /* NULL: none */
	const char *listen;	    /* "127.0.0.1:6060" */
	const char *metrics_listen; /* NULL: off */
	const char *host_names;	    /* "a.example,b"; NULL: none */
	bool require_token;
	const char *token_file; /* NULL: no tokens */
	const char *tls_cert;	/* NULL: no TLS */
	const char *tls_key;
	const char *tls_client_ca; /* NULL: no certificates of callers */
	enum seccomp_mode seccomp;
	uint64_t memory_limit;			      /* bytes; 0: memory_limit__default() */
	uint64_t cpu_limit;			      /* percent of a core */
	const char *history;			      /* its file; NULL: in memory */
	uint64_t history_keep;			      /* seconds */
	uint64_t history_size;			      /* bytes */
	const char *alertmanagers[ALERTMANAGERS_MAX]; /* from the first on; NULL: no more */
	const char *alertmanager_ca;		      /* NULL: the system's CAs */

	/* serve and run */
	enum backend backend;
	enum mp_unwind unwind;
	enum touch_option touch;
	uint64_t touch_rate; /* samples a second and CPU */
	uint64_t stack_min;
	uint64_t ring_size; /* bytes: a power of two, a multiple of the page size */

	/* serve, show, top and history */
	const char *socket; /* "/run/memprov.sock" */
	pid_t pid;	    /* 0: not given */
	const char *name;   /* show: instead of pid; NULL: not given */

	/* serve, show, top and run */
	const char *proc;     /* "/proc" */
	const char *pod_logs; /* "/var/log" */

	/* show, run, top, diff and history */
	size_t top;
	bool all;
	bool kilobytes; /* --unit kB */
	enum format format;
	const char *output; /* -o FILE; NULL: stdout, and stderr for run */

	/* show, diff, history and doctor */
	enum color_option color;

	/* top */
	unsigned interval; /* seconds */
	bool once;
	enum top_sort sort;

	/* diff */
	const char *files[2]; /* A and B; "-": standard input */
	uint64_t fail_over;   /* bytes; FAIL_OVER_OFF */

	/* history: as the parameters of its route are; NULL: not given */
	const char *pod;
	const char *container;
	const char *start_time;
	const char *from;
	const char *to;
	const char *step;
	bool by_touch;

	/* run */
	bool no_ptrace;
	char **argv; /* CMD and its arguments: the end of main's argv */

	struct buf config_text; /* what the strings of the config file point into */
};

/* 0 with *ret filled, to be freed with options__free(); or, when the program should end now
 * (--help, --version, bad usage), -1 with *ret_exit the exit code. Strings in ret point into argv,
 * into config_text, or are constants. */
int options__parse(int argc, char **argv, struct options *ret, int *ret_exit);
void options__free(struct options *options);

/* Every option at its default. */
void options__init(struct options *ret);

#define OPTIONS_ERROR_LEN 768

/* Pure: what must not be given without something else. 0, or -EINVAL with one line in error. */
int options__check(const struct options *options, char error[OPTIONS_ERROR_LEN]);

/* The pure part of --config: len bytes of text, with a NUL behind them, named `file` in errors.
 * The text is cut up in place and must live as long as ret does. 0, or -EINVAL with one line in
 * error; ret may then hold a part of it. */
int options__parse_config(const char *file, char *text, size_t len, struct options *ret,
			  char error[OPTIONS_ERROR_LEN]);

#endif
