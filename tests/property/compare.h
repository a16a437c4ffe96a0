/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold of a process that sleeps: of the ledger against the shadow, page by page; of
 * both against the kernel's map; of the parts that they are joined into; of the samples of first
 * touches and the shares that they get.
 */
#ifndef MEMPROV_PROPERTY_COMPARE_H
#define MEMPROV_PROPERTY_COMPARE_H

#include <stdbool.h>
#include <sys/types.h>

#include "model/model.h"
#include "proc/vma.h"
#include "reconcile/join.h"
#include "shadow.h"

struct tracer;

struct comparison {
	struct model *model;
	const struct tracer *tracer; /* NULL: samples of touches are not looked at */
	pid_t pid;
	bool is_child; /* of a target */
	struct shadow *shadow;
	/* Events have been lost before this step: what was mapped or named earlier may be unknown,
	 * but not wrong. 0: none has. UINT16_MAX: they are still being lost. */
	uint16_t exact_from;
	bool names_lost; /* and so may be missing */
	bool resynced; /* the ledger has just been corrected: it holds nothing that is not mapped */
	bool has_unmapped; /* out: it does hold such, and the shadow says why */
	char why[512];	   /* what does not hold */
};

/* 0; -ENOTRECOVERABLE with why, or -ENODATA: a sample is missing, which may be by chance; -errno
 * when the process cannot be read. */
int compare__process(struct comparison *comparison);

/* Only one part, of a report: 0 also for one that lies in no window; -EAGAIN when estimated. */
int compare__part(struct comparison *comparison, const struct part *part);

/* compare_touches.c: the samples of the view, and what they make of the parts. As a report does, it
 * tells the model whose pages have gone. */
int compare__touches(struct comparison *comparison, const struct view *view,
		     struct part_list *parts, int pagemap, uint64_t began_ns);

/* -ENOTRECOVERABLE, with why. */
int compare__differs(struct comparison *comparison, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* As the sweep and reports do. 0 or -errno. */
int compare__resync(struct model *model, pid_t pid);

#endif
