/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source of reports for `show` and `top`: a daemon, or, where none answers, this program's own
 * reading of smaps. Which of the two is decided once, when the source is opened.
 */
#ifndef MEMPROV_REPORT_SOURCE_H
#define MEMPROV_REPORT_SOURCE_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/buf.h"

struct options;
struct report_source;

/* 0; or -errno with one line in *ret_error that says why. The options must outlive it. */
int report_source__open(const struct options *options, struct report_source **ret,
			struct buf *ret_error);
void report_source__close(struct report_source *source); /* accepts NULL */

/* NULL: a daemon answers. Else why there are no call sites. */
const char *report_source__why_off(const struct report_source *source);

/* A report of a process as the options want it (format, unit, top, all); for pid 0 the JSON list
 * of all processes. Added to *ret: 0; or -errno with one line in *ret_error. */
int report_source__get(struct report_source *source, pid_t pid, const struct options *options,
		       struct buf *ret, struct buf *ret_error);

/* What a daemon answers to GET target; the same results, -EINVAL when it was asked for what it does
 * not take. Only where one answers. */
int report_source__ask(struct report_source *source, const char *target, struct buf *ret,
		       struct buf *ret_error);

/* From another thread: report_source__get ends soon, now and whenever it is called. */
void report_source__cancel(struct report_source *source);

#endif
