// SPDX-License-Identifier: BSD-2-Clause
#include "cli/progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/waiter.h"

#define ERASE	       "\r\033[K"
#define LINE_MAX_BYTES 256
#define REDRAW_MS      100

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

/* How many bytes of the line go on one row of the terminal: a line that fills it would make it
 * scroll. */
static size_t fit(int fd, const char *line)
{
	size_t columns = LINE_MAX_BYTES, i = 0;
	struct winsize size = {};

	if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		columns = size.ws_col - 1;
	for (; line[i]; i++) {
		/* Not the second byte of a character. */
		if ((line[i] & 0xc0) != 0x80 && !columns--)
			break;
	}
	return i < LINE_MAX_BYTES ? i : LINE_MAX_BYTES;
}

/* The cursor goes back to the start of the line, so that what the program prints begins there. */
void progress__draw(struct progress *p, const char *line)
{
	char text[LINE_MAX_BYTES + 16];
	size_t len;

	if (p->fd < 0 || !is_ours(p->fd))
		return;
	len = snprintf(text, sizeof(text), ERASE "%.*s\r", (int)fit(p->fd, line), line);
	put(p, text, len);
	p->drawn = true;
}

void progress__erase(struct progress *p)
{
	if (p->drawn && is_ours(p->fd))
		put(p, ERASE, sizeof(ERASE) - 1);
	p->drawn = false;
}

struct spinner {
	struct progress progress;
	const char *what;
	uint64_t since_ns;
	uint64_t first_ns;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static void draw_spinner(struct spinner *w, uint64_t now)
{
	uint64_t tenths = (now - w->since_ns) / (NSEC_PER_SEC / 10);
	char line[LINE_MAX_BYTES];

	snprintf(line, sizeof(line), "memprov: %s… %u.%u s", w->what, (unsigned)(tenths / 10),
		 (unsigned)(tenths % 10));
	progress__draw(&w->progress, line);
}

static void *wait_and_draw(void *arg)
{
	struct spinner *w = arg;
	uint64_t next = w->first_ns;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		if (waiter__wait(&w->wake, &w->lock, next))
			continue;
		next += REDRAW_MS * 1000000ULL;
		draw_spinner(w, clock__monotonic_ns());
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct spinner *spinner__start(const char *what, unsigned delay_ms)
{
	struct spinner *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	progress__init(&w->progress, STDERR_FILENO);
	w->what = what;
	w->since_ns = clock__monotonic_ns();
	w->first_ns = w->since_ns + delay_ms * 1000000ULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	if (progress__is_on(&w->progress) && !pthread_create(&w->thread, NULL, wait_and_draw, w))
		return w;
	free(w);
	return NULL;
}

void spinner__stop(struct spinner *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	progress__erase(&w->progress);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
