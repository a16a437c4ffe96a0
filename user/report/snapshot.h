/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One process at one moment: what the ledger said and what smaps said, of the same state of its
 * memory map, joined. Read, joined, and read again when the map changed meanwhile.
 */
#ifndef MEMPROV_SNAPSHOT_H
#define MEMPROV_SNAPSHOT_H

#include <limits.h>

#include "model/model.h"
#include "proc/procfs.h"
#include "proc/files.h"
#include "reconcile/join.h"
#include "report/take.h"

/* How often a process that changes its map while it is read is read again. */
#define SNAPSHOT_TRIES 3

/*
 * For how long a report waits, in all, for names that are still being read from processes, and for
 * stacks that are being unwound: a hostile process can make either take long. A node report has one
 * for all processes together.
 */
struct patience {
	unsigned names_ms;
	unsigned stacks_ms;
	bool wants_stacks; /* they are unwound now, whether it waits for them or not */
};

#define PATIENCE_OF_A_REPORT                                                                       \
	((struct patience){.names_ms = 200, .stacks_ms = 3000, .wants_stacks = true})

struct snapshot {
	int pidfd;
	pid_t pid;
	struct proc_stat stat;
	char exe[PATH_MAX]; /* "" when not known */
	const char *binary; /* the last part of exe, or the comm */
	bool exe_is_go;
	struct vma_set set;
	struct part_list parts;
	bool traced;	  /* view holds what the events told */
	struct view view; /* its ledger is the one that was joined */
	bool racing;
	bool names_missing; /* some are still being read from the process */
	struct patience *patience;
	uint64_t began_ns; /* CLOCK_BOOTTIME: before smaps was read */

	/* What the join asks for while it runs. */
	const struct taker *taker;
	int pagemap;
	uint32_t role_name; /* the last file that was asked about: it has several VMAs */
	enum file_role role;
};

/* Errors as taker__process(). snapshot__free in any case. strings: the arena that the parts' names
 * go to. */
int snapshot__take(struct snapshot *snapshot, const struct taker *taker, pid_t pid,
		   const struct caller *caller, const atomic_bool *stop, struct patience *patience,
		   struct arena *strings);
void snapshot__free(struct snapshot *snapshot);

/* The parts' call sites, of all stacks that were taken before the last look: waits for them. */
void snapshot__resolve(struct snapshot *snapshot);

/* taker.c's own, for snapshots. */
struct taker {
	struct taker_config config;
	struct file_cache *files;
	uint64_t page_size;
};

#endif
