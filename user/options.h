/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line and the config file, as one constant value (INTERFACE.md §1). Parsing prints
 * what was wrong, and what is accepted, in one line on stderr.
 */
#ifndef MEMPROV_OPTIONS_H
#define MEMPROV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum command { COMMAND_SERVE, COMMAND_SHOW, COMMAND_DOCTOR };
enum backend { BACKEND_AUTO, BACKEND_FEXIT, BACKEND_TRACEPOINT };
enum unwind { UNWIND_AUTO, UNWIND_FP, UNWIND_CFI, UNWIND_NONE };
enum format { FORMAT_TEXT, FORMAT_JSON };

/* Exit codes of the program. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNSUPPORTED = 3 };

struct options {
	enum command command;

	/* serve */
	const char *listen;	    /* "127.0.0.1:6060" */
	const char *metrics_listen; /* NULL: off */
	enum backend backend;
	enum unwind unwind;
	uint64_t stack_min;
	uint64_t ring_size; /* bytes: a power of two, a multiple of the page size */

	/* serve and show */
	const char *socket; /* "/run/memprov.sock" */
	const char *proc;   /* "/proc" */
	pid_t pid;	    /* 0: not given */

	/* show */
	size_t top;
	bool all;
	bool kilobytes; /* --unit kB */
	enum format format;
	const char *output; /* -o FILE; NULL: stdout */
};

/* 0 with *ret filled; or, when the program should end now (--help, --version, bad usage), -1 with
 * *ret_exit the exit code. Strings in ret point into argv or live as long as the program. */
int options__parse(int argc, char **argv, struct options *ret, int *ret_exit);

#endif
