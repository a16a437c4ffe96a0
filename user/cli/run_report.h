/* SPDX-License-Identifier: BSD-2-Clause */
/* The final report of `run`, as text (docs/guide.md) and as JSON (docs/http.md). */
#ifndef MEMPROV_RUN_REPORT_H
#define MEMPROV_RUN_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/children.h"
#include "report/encode.h"

enum run_end {
	RUN_END_EXIT,	/* the state when it was about to exit, with all its memory */
	RUN_END_SAMPLE, /* the last that was seen of it */
};

struct run_report {
	char *const *command;
	pid_t pid;
	uint64_t started_at; /* wall clock, ns */
	uint64_t ended_at;
	int status;		   /* as waitpid(2) has it */
	uint64_t peak_rss;	   /* as the kernel and the samples have it; 0: not known */
	struct proc_family family; /* its descendants, at their most */
	const struct report *peak; /* NULL: none; the same as end: that was the peak */
	const struct report *end;  /* NULL: none */
	enum run_end end_is;
};

void run_report__text(const struct run_report *run, const struct encode_options *options,
		      struct buf *ret);
void run_report__json(const struct run_report *run, const struct encode_options *options,
		      struct buf *ret);

#endif
