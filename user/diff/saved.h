/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A report that was saved as JSON (docs/http.md), read back: of a process or of the node, or of
 * `memprov run`, which stands for its state at the peak. What it holds adds up: call sites and
 * names are at most its RSS, the categories are all of it, and what was touched is at most what it
 * has of anonymous and shared memory.
 */
#ifndef MEMPROV_SAVED_H
#define MEMPROV_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/page_kinds.h"
#include "wire/frame.h"
#include <sys/types.h>

#define SAVED_MAX	(256UL << 20) /* bytes of JSON; a daemon answers no more */
#define SAVED_ERROR_LEN 256

struct saved_site {
	uint64_t rss;
	const char *owner; /* its function; NULL: not known */
	const char *owner_module;
	struct frame *frames; /* the innermost first */
	size_t n_frames;
};

struct saved_sites {
	struct saved_site *rows;
	size_t n;
	bool complete;	/* false: there may be others, which the report left out */
	uint64_t total; /* bytes: theirs, and of what has no site */
};

struct saved_row {
	const char *name;
	uint64_t rss;
};

struct saved_rows {
	struct saved_row *rows;
	size_t n;
	bool complete; /* false: there may be others, which the report left out */
};

struct saved {
	const char *comm; /* NULL: the node */
	const char *taken_at;
	const char *moment; /* of `run`: "at its peak", "at its end"; else NULL */
	pid_t pid;	    /* 0: the node */

	struct {
		uint64_t rss;
		uint64_t pss, swap, size; /* UNKNOWN_BYTES */
		struct page_kinds kinds;
	} totals;

	struct saved_sites sites;
	struct saved_sites touched; /* by what touched it first; total 0: that was not sampled */
	struct saved_rows names;
	struct saved_rows categories; /* always complete */
	struct saved_rows processes;  /* by comm; none but of the node */

	void *tree; /* what the strings live in */
	struct arena *arena;
};

/* 0; or -EINVAL, -ENOMEM with what is wrong in error, for a message that names the file. The
 * text may go afterwards. */
int saved__parse(const char *text, size_t len, struct saved **ret, char error[SAVED_ERROR_LEN]);
void saved__free(struct saved *saved); /* accepts NULL */

static inline void saved__cleanup(struct saved **saved)
{
	saved__free(*saved);
}

#define _cleanup_saved_ __attribute__((cleanup(saved__cleanup)))

/* What a row of a report's files is called among the categories; NULL for NULL. */
const char *saved__file_category(const char *name);

/* Of a file, "-" for standard input. -EFBIG beyond SAVED_MAX, or what open(2) or read(2) said. */
int saved__read(const char *file, struct saved **ret, char error[SAVED_ERROR_LEN]);

#endif
