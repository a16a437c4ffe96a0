// SPDX-License-Identifier: BSD-2-Clause
#include "cli/run_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "util/clock.h"

#define ERASE "\r\033[K"

void progress__init(struct progress *p, int fd)
{
	*p = (struct progress){.fd = isatty(fd) ? fd : -1};
}

bool progress__is_on(const struct progress *p)
{
	return p->fd >= 0;
}

static bool is_ours(int fd)
{
	struct termios mode;

	return tcgetpgrp(fd) == getpgrp() && !tcgetattr(fd, &mode) && mode.c_lflag & ICANON;
}

static void put(const struct progress *p, const char *text, size_t len)
{
	/* A terminal that has gone is not worth a word. */
	if (write(p->fd, text, len) < 0)
		return;
}

/* A line that fills the terminal would make it scroll. */
static size_t fit(int fd, size_t len)
{
	struct winsize size = {};

	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return len;
	return len < size.ws_col ? len : (size_t)size.ws_col - 1;
}

/* The cursor goes back to the start of the line, so that what the program prints begins there. */
void progress__draw(struct progress *p, const struct progress_figures *f)
{
	char line[128], text[sizeof(line) + 16];
	size_t len;

	if (p->fd < 0 || !is_ours(p->fd))
		return;
	snprintf(line, sizeof(line),
		 "memprov: %" PRIu64 " s, RSS %" PRIu64 " MB, mapped %" PRIu64 " MB, %" PRIu64
		 " events",
		 (uint64_t)(f->ns / NSEC_PER_SEC), f->rss >> 20, f->size >> 20, f->events);
	len = snprintf(text, sizeof(text), ERASE "%.*s\r", (int)fit(p->fd, strlen(line)), line);
	put(p, text, len);
	p->drawn = true;
}

void progress__erase(struct progress *p)
{
	if (p->drawn && is_ours(p->fd))
		put(p, ERASE, sizeof(ERASE) - 1);
	p->drawn = false;
}
