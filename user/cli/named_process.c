// SPDX-License-Identifier: BSD-2-Clause
#include "cli/named_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/report_source.h"
#include "cli/top_frame.h"
#include "options/options.h"
#include "util/cleanup.h"
#include "util/text.h"

#define COMM_LEN 15 /* the kernel keeps no more of a name */

static void free_frame(struct top_frame **frame)
{
	top_frame__free(*frame);
}

/* Those that are called so come first; how many. */
static size_t pick_exact(const struct top_row **rows, size_t n, const char *name)
{
	size_t exact = 0;

	for (size_t i = 0; i < n; i++) {
		if (!strncmp(rows[i]->comm, name, COMM_LEN))
			rows[exact++] = rows[i];
	}
	return exact;
}

static void list(const struct top_frame *frame, const struct top_row *const *rows, size_t n,
		 const struct options *options, struct buf *ret)
{
	const struct top_layout layout = {.unit = options->kilobytes ? UNIT_KB : UNIT_MB};

	top_frame__headings(frame, SORT_RSS, &layout, ret);
	buf__puts(ret, "\n");
	for (size_t i = 0; i < n; i++) {
		top_frame__line(frame, rows[i], &layout, ret);
		buf__puts(ret, "\n");
	}
}

static int choose(const struct top_frame *frame, const struct options *options, pid_t *ret,
		  struct buf *ret_list, struct buf *ret_error)
{
	_cleanup_free_ const struct top_row **rows = calloc(frame->n + 1, sizeof(*rows));
	_cleanup_buf_ struct buf name = {};
	size_t n;

	if (!rows)
		return -ENOMEM;
	text__show(&name, options->name);
	/* A name that is longer than the kernel's is in none. */
	n = pick_exact(rows, top_frame__pick(frame, "", SORT_RSS, false, rows), options->name);
	if (!n)
		n = top_frame__pick(frame, options->name, SORT_RSS, false, rows);
	if (!n) {
		buf__printf(ret_error,
			    "no process that can be read is called '%s'; 'memprov top --once "
			    "--all' lists those that can%s",
			    name.data ?: "", geteuid() ? ", and root can read all" : "");
		return -ESRCH;
	}
	if (n > 1) {
		list(frame, rows, n, options, ret_list);
		buf__printf(ret_error,
			    "%zu processes are called '%s'; takes the PID of one, such "
			    "as 'memprov show %d'",
			    n, name.data ?: "", rows[0]->pid);
		return -ENOTUNIQ;
	}
	*ret = rows[0]->pid;
	return 0;
}

int named_process__find(struct report_source *source, const struct options *options, pid_t *ret,
			struct buf *ret_list, struct buf *ret_error)
{
	_cleanup_(free_frame) struct top_frame *frame = NULL;
	_cleanup_buf_ struct buf body = {};
	char why[JSON_READ_ERROR_LEN];
	int err = report_source__get(source, 0, options, &body, ret_error);

	if (err)
		return err;
	err = top_frame__parse(body.data ?: "", body.len, &frame, why);
	if (err) {
		buf__printf(ret_error,
			    "the daemon's list of processes cannot be read: %s; daemon and "
			    "memprov should be of one version",
			    why);
		return err;
	}
	return choose(frame, options, ret, ret_list, ret_error);
}
