/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `top` knows of all processes at one moment: rows from the JSON list of a source, compared to
 * the frame before, filtered and sorted. Pure.
 */
#ifndef MEMPROV_TOP_FRAME_H
#define MEMPROV_TOP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "diff/json_read.h"
#include "options/options.h"
#include "report/encode.h"
#include "util/buf.h"

struct top_row {
	pid_t pid;
	const char *comm;
	uint64_t rss, pss, swap, hugetlb; /* UNKNOWN_BYTES */
	uint64_t first_rss;		  /* when top saw it first */
	int64_t change;			  /* of RSS, since the frame before */
	int64_t growth;			  /* of RSS: as the daemon says, else since first_rss */
	bool change_known, growth_known;
	uint64_t age_ms;     /* of the amounts; UNKNOWN_BYTES */
	const json_t *trend; /* RSS of the last hour; NULL: not known */
};

struct top_frame {
	struct top_row *rows; /* by PID */
	size_t n;
	uint64_t rss;	     /* of all */
	bool has_hugetlb;    /* one of them: it has a column */
	uint64_t unreadable; /* processes that are not among them */
	const json_t *trend; /* of the node; NULL: the source has no history, or the caller may not
				see it */
	bool has_trends;     /* the source has them */
	json_t *tree;	     /* what the strings live in */
};

/* 0, -ENOMEM, or -EBADMSG with what is wrong in error. */
int top_frame__parse(const char *text, size_t len, struct top_frame **ret,
		     char error[JSON_READ_ERROR_LEN]);
void top_frame__free(struct top_frame *frame); /* accepts NULL */

/* Fills change and growth; before NULL: this is the first one. A process is the same one if its PID
 * and its name are. */
void top_frame__compare(struct top_frame *frame, const struct top_frame *before);

/* The rows whose name holds the filter (ASCII letters of either case), or whose PID begins with it,
 * sorted: amounts largest first, what is not known last, names and PIDs rising; reverse turns that
 * round. ret has room for frame->n. How many they are. */
size_t top_frame__pick(const struct top_frame *frame, const char *filter, enum top_sort sort,
		       bool reverse, const struct top_row **ret);

/* How a line is written. */
struct top_layout {
	enum unit unit;
	bool trend; /* there is room for it */
};

#define TOP_TREND 20 /* columns */

/* Whether trends fit in so many columns. */
bool top_frame__has_room(const struct top_frame *frame, int columns);

/* Lines without an end: of headings, which marks what is sorted by (frame may be NULL), and of a
 * row of the frame. */
void top_frame__headings(const struct top_frame *frame, enum top_sort sort,
			 const struct top_layout *layout, struct buf *ret);
void top_frame__line(const struct top_frame *frame, const struct top_row *row,
		     const struct top_layout *layout, struct buf *ret);

#endif
