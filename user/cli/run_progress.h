/* SPDX-License-Identifier: BSD-2-Clause */
/* The line on a terminal that says how `run` gets on. */
#ifndef MEMPROV_RUN_PROGRESS_H
#define MEMPROV_RUN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_EVERY_MS 250

struct progress {
	int fd; /* -1: no terminal */
	bool drawn;
};

struct progress_figures {
	uint64_t ns; /* since the start */
	uint64_t rss;
	uint64_t size;
	uint64_t events;
};

void progress__init(struct progress *progress, int fd);
bool progress__is_on(const struct progress *progress);

/* Not while the program has the terminal for itself: in the background, or when somebody reads keys
 * (an editor, a shell). */
void progress__draw(struct progress *progress, const struct progress_figures *figures);
void progress__erase(struct progress *progress);

#endif
