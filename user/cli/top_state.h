/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `top` shows, and what keys do to it: pure, apart from the terminal.
 *
 *	TOP_LIST ── Enter ──▶ TOP_PROCESS      the text report of one process, to scroll
 *	   ▲  ◀──── Esc ─────────┘
 *	   └── h, any key ──▶ TOP_HELP         over either
 */
#ifndef MEMPROV_TOP_STATE_H
#define MEMPROV_TOP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/top_frame.h"
#include "util/buf.h"

enum top_mode { TOP_LIST, TOP_PROCESS, TOP_HELP };

/* A key is a character, or one of these, which lie behind all characters. */
enum top_key {
	TOP_KEY_UP = 0x110000,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
};

#define TOP_FILTER_MAX 64 /* bytes */

struct top_state {
	enum top_mode mode;
	enum top_mode behind; /* the help */
	bool quit;
	bool kilobytes;
	size_t height; /* lines for rows or text */

	enum top_sort sort;
	bool reverse;
	char filter[TOP_FILTER_MAX + 1]; /* UTF-8 */
	bool typing;			 /* keys go into the filter */

	struct top_frame *frame; /* NULL: none yet */
	const struct top_row **rows;
	size_t n;
	size_t selected; /* row */
	pid_t selected_pid;
	size_t first; /* the row on the first line */

	pid_t process;	 /* of TOP_PROCESS */
	char name[64];	 /* its own */
	struct buf text; /* its report, lines cut apart by NULs; empty: none yet */
	const char **lines;
	size_t n_lines;
	size_t line, column; /* at the upper left */
};

void top_state__init(struct top_state *state, const struct options *options);
void top_state__free(struct top_state *state);

/* A new frame, which it takes over. 0 or -ENOMEM. */
int top_state__take_frame(struct top_state *state, struct top_frame *frame);

/* The report of a process, which it takes over, if it is the one that is shown. 0 or -ENOMEM. */
int top_state__take_text(struct top_state *state, pid_t pid, struct buf *text);

void top_state__resize(struct top_state *state, size_t height);

/* True when something else is to be asked for now. */
bool top_state__key(struct top_state *state, unsigned key);

/* What is to be asked for: a process, or 0: the list. */
pid_t top_state__wants(const struct top_state *state);

#endif
