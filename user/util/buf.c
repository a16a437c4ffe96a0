// SPDX-License-Identifier: BSD-2-Clause
#include "util/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRINTED 64
#define DIGITS	20 /* of the largest number */

void buf__free(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

int buf__error(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

int buf__grow(struct buf *b, size_t n)
{
	size_t need, cap = b->cap ? b->cap : 256;
	char *data;

	if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, 1, &need)) {
		b->failed = true;
		return -ENOMEM;
	}
	while (cap < need)
		cap += cap / 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return -ENOMEM;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

void buf__add(struct buf *b, const void *bytes, size_t len)
{
	if (buf__reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf__puts(struct buf *b, const char *s)
{
	buf__add(b, s, strlen(s));
}

void buf__add_u64(struct buf *b, uint64_t number, int width)
{
	char text[DIGITS];
	int at = sizeof(text), pad;

	do
		text[--at] = '0' + number % 10;
	while (number /= 10);
	pad = width - ((int)sizeof(text) - at);
	if (buf__reserve(b, sizeof(text) + (pad > 0 ? pad : 0)))
		return;
	for (; pad > 0; pad--)
		b->data[b->len++] = ' ';
	buf__add(b, text + at, sizeof(text) - at);
}

void buf__printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	size_t room;
	int n;

	/* Most texts are short, and are printed once. */
	if (buf__reserve(b, PRINTED))
		return;
	room = b->cap - b->len;
	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(b->data + b->len, room, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n >= room && !buf__reserve(b, n))
		vsnprintf(b->data + b->len, n + 1, fmt, again);
	va_end(again);
	if (n < 0 || b->failed)
		b->failed = true;
	else
		b->len += n;
	b->data[b->len] = '\0';
}

int buf__read_fd(struct buf *b, int fd, size_t max)
{
	size_t before = b->len;
	ssize_t n;
	int err;

	for (;;) {
		err = buf__reserve(b, 4096);
		if (err)
			return err;
		n = read(fd, b->data + b->len, b->cap - b->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b->len += n;
		b->data[b->len] = '\0';
		if (b->len - before > max)
			return -EFBIG;
		if (!n)
			return 0;
	}
}
