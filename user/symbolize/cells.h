/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The symbolizer's children. Each has a cell: it serves one trust domain (proc/domain.h), and what
 * it has been told, or could still find in its memory, is of that domain alone. So a child that a
 * hostile file has taken over has nothing at hand that the file's owner could not have read anyway,
 * and a file that lies about names lies to its own domain.
 *
 *	domain A ── cell: child, images (which processes, which files, what killed it)
 *	domain B ── cell: child, images
 *	…           at most CELLS_MAX; the one that was not used for the longest ends
 *
 * The children share the memory that one might have: three quarters for the one that is at work,
 * a quarter for all that are not, of which as many end as it takes.
 */
#ifndef MEMPROV_CELLS_H
#define MEMPROV_CELLS_H

#include "proc/domain.h"
#include "symbolize/images.h"
#include "symbolize/launch.h"

#define CELLS_MAX 16

struct cell {
	struct cell *next; /* the one that was used before it */
	struct domain domain;
	struct launched child;
	struct images *images;
	uint64_t deadline; /* for telling the child something */
	uint64_t used_ns;
	size_t bytes; /* of the child's memory, when it was last at work */
	bool died;    /* the last child did, of itself */
	bool deaf;    /* it could not be told something, so it knows what is not so */
};

struct cells {
	const char *proc; /* borrowed, as the launcher is */
	struct launcher *launcher;
	uint64_t idle_bytes;	  /* for the children that are not at work */
	struct cell *first;	  /* the one that was used last */
	struct domain lasting[2]; /* in namespaces that do not end before us */
};

void cells__init(struct cells *cells, const char *proc, struct launcher *launcher,
		 uint64_t idle_bytes);

/* What a child may use of the memory that all of them may. */
uint64_t cells__child_memory(uint64_t memory);

/* The cell of the domain, which is the first one then; NULL when out of memory. Its child may have
 * to be started. Others end, with all that is known of their processes, when they must. */
struct cell *cells__get(struct cells *cells, const struct domain *domain);

/* The cell that knows the process, or NULL. */
struct cell *cells__of(const struct cells *cells, pid_t tgid, uint64_t start_ticks);

/* The cell whose child the process is, or NULL. */
const struct cell *cells__of_child(const struct cells *cells, pid_t tgid);

/* The process is not known any more, but for in the cell `except`, which may be NULL. A domain of
 * which it was all ends, unless it is one of the node's own namespaces: the numbers by which others
 * are known may be those of new ones tomorrow. */
void cells__forget(struct cells *cells, pid_t tgid, uint64_t start_ticks,
		   const struct cell *except);

void cells__free(struct cells *cells); /* ends all children; a zeroed one is fine */

/* Whether it is that of the cell's own child, whose root is empty. */
bool cell__is_of_child(const struct cell *cell, const struct image *image);

/* Whether the process opened as pidfd still is in the domain, or is the cell's child, after
 * something of it has been read; with its credentials in *ret. */
bool cell__still_has(const struct cell *cell, const struct image *image, int pidfd,
		     struct credentials *ret);

/* To the cell's child: 0 or -errno. */
int cell__send(struct cell *cell, const void *head, size_t head_len, const void *body,
	       size_t body_len, int fd);

#endif
