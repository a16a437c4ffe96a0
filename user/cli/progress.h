/* SPDX-License-Identifier: BSD-2-Clause */
/* The line at the bottom of a terminal that shows the progress of work. */
#ifndef MEMPROV_PROGRESS_H
#define MEMPROV_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_EVERY_MS 250

struct progress {
	int fd; /* -1: no terminal */
	bool drawn;
};

void progress__init(struct progress *progress, int fd);
bool progress__is_on(const struct progress *progress);

/* Replaces the line. Not while another program has the terminal for itself: memprov is in the
 * background, or the other program reads keys (an editor, a shell). */
void progress__draw(struct progress *progress, const char *line);
void progress__erase(struct progress *progress);

/*
 * The same for work that cannot draw by itself: a thread draws "memprov: WHAT… 1.2 s" on standard
 * error, every 100 ms from delay_ms on. NULL where there is no terminal or no memory; stop accepts
 * NULL, and erases the line. what must outlive it.
 */
struct spinner;

struct spinner *spinner__start(const char *what, unsigned delay_ms);
void spinner__stop(struct spinner *spinner);

#endif
