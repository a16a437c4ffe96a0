/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A buffer of bytes that grows: what encoders write into and files are read into.
 *
 * An allocation that fails leaves the buffer as it was and marks it; the user of the contents calls
 * buf__error() once, at the end, so that a writer need not check every piece. data is always
 * NUL-terminated once anything was added; len does not count the NUL.
 */
#ifndef MEMPROV_BUF_H
#define MEMPROV_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

void buf__free(struct buf *b);	     /* a zeroed or freed one is fine, and is left zeroed */
int buf__error(const struct buf *b); /* 0, or -ENOMEM when something was not added */
void buf__add(struct buf *b, const void *bytes, size_t len);
void buf__puts(struct buf *b, const char *s);
/* Decimal, right-aligned; without printf, of which a report with all its regions makes 100,000. */
void buf__add_u64(struct buf *b, uint64_t number, int width);
void buf__printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int buf__grow(struct buf *b, size_t n); /* buf__reserve() where there is no room yet */

/* Room for at least n more bytes at data + len, and a NUL, which the caller fills and adds to len.
 * 0 or -ENOMEM. */
static inline int buf__reserve(struct buf *b, size_t n)
{
	return n < b->cap - b->len ? 0 : buf__grow(b, n);
}

/* Reads fd to its end, at most max bytes: 0, -EFBIG, -ENOMEM or read(2)'s -errno. */
int buf__read_fd(struct buf *b, int fd, size_t max);

#define _cleanup_buf_ __attribute__((cleanup(buf__free)))

#endif
