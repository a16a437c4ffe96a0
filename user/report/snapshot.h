/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One process at one moment: what the ledger said and what smaps said, or what tells the same at
 * less cost (proc/resident.h), of the same state of its memory map, joined. Read, joined, and read
 * again when the map changed meanwhile.
 */
#ifndef MEMPROV_SNAPSHOT_H
#define MEMPROV_SNAPSHOT_H

#include <limits.h>

#include "model/model.h"
#include "proc/crew.h"
#include "proc/files.h"
#include "proc/procfs.h"
#include "proc/program.h"
#include "proc/resident.h"
#include "reconcile/join.h"
#include "reconcile/touched.h"
#include "report/summary.h"
#include "report/caller.h"
#include "report/detail.h"
#include "report/region_sharing.h"
#include "report/report.h"
#include "report/taker.h"
#include "util/clock.h"

/*
 * For how long a report waits, in all, for names that are still being read from processes, for
 * stacks that are being unwound and for memory that other reports have: a hostile process can make
 * either take long. A node report has one for all processes together.
 */
struct patience {
	uint64_t names_ns; /* so much is left */
	uint64_t stacks_ns;
	unsigned memory_ms;
	bool wants_stacks; /* they are unwound now, whether it waits for them or not */
};

#define PATIENCE_OF_A_REPORT                                                                       \
	((struct patience){.names_ns = NSEC_PER_SEC / 5,                                           \
			   .stacks_ns = 3 * NSEC_PER_SEC,                                          \
			   .memory_ms = 2000,                                                      \
			   .wants_stacks = true})

/* How a process is read. */
struct reading {
	bool touches;	      /* what touched the pages, too */
	bool report;	      /* of this process alone; else what lists and sums need, for less */
	struct detail detail; /* of a report of this process alone */
	/* While it changes its map meanwhile; 0: read once, and whether it does is not asked. */
	unsigned tries;
	uint64_t largest; /* as resident__read() has it */
};

#define READING_OF_ONE(of_regions)                                                                 \
	((struct reading){.report = true, .touches = true, .tries = 3, .detail = (of_regions)})
#define READING_OF_MANY                                                                            \
	((struct reading){.touches = true, .tries = 3, .largest = RESIDENT_ANY_SIZE})

struct snapshot_config {
	const struct taker *taker;
	const struct caller *caller;
	struct visitor *visitor; /* may be NULL */
	struct reading reading;
	struct patience *patience;
	struct report *report; /* the parts' names go to its strings; the room is its own */
};

struct snapshot {
	const struct snapshot_config *config;
	int pidfd;
	struct program program;
	struct mounts mounts; /* once a file was opened */
	pid_t pid;
	struct proc_stat stat;
	char exe[PATH_MAX]; /* "" when not known */
	const char *binary; /* the last part of exe, or the comm */
	bool exe_is_go;
	struct vma_set set;
	struct totals totals; /* pss, swap and kinds only when `summed` */
	bool summed;
	bool sharing_known; /* of every VMA pss, private and shared are */
	struct region_sharing sharing;
	bool needs_smaps; /* what else tells does not suffice */
	struct part_list parts;
	struct touch_list touches; /* their traces are the view's */
	bool traced;		   /* view holds what the events told */
	struct view view;	   /* its ledger is the one that was joined */
	bool racing;
	bool exec_seen;	    /* by the events, since the first look */
	bool names_missing; /* some are still being read from the process */
	uint64_t began_ns;  /* CLOCK_BOOTTIME: before its memory was read */

	/* What the join asks for while it runs. */
	uint32_t role_name; /* the last file that was asked about: it has several VMAs */
	enum file_role role;
};

/* Errors as taker__process(). snapshot__free in any case; the config must live until then. */
int snapshot__take(struct snapshot *snapshot, pid_t pid, const struct snapshot_config *config);
void snapshot__free(struct snapshot *snapshot);

/*
 * Whether the process still runs the program that it ran when it was opened, and the caller may
 * (still) read that. To be asked when all that goes into an answer has been read: what was read
 * before may otherwise be of a program that is not theirs. 0; -EACCES; -EIDRM; or what
 * visitor__enter() said.
 */
int snapshot__check(const struct snapshot *snapshot);

/* Adds it to a summary: 0 or -ENOMEM. */
int snapshot__summarise(const struct snapshot *snapshot, struct summary *summary);

#endif
