/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sums of /proc/PID/smaps_rollup; PSS also by kind of memory, which smaps itself does not tell
 * apart.
 *
 * The kernel holds the target's mmap_lock while it adds up, and lets go of it between two VMAs when
 * a writer waits (Linux 5.10, ff9f47f6f00c "mm: proc: smaps_rollup: do not stall write attempts on
 * mmap_lock"). So a writer waits for the largest VMA at most, each page of which is visited.
 */
#ifndef MEMPROV_ROLLUP_H
#define MEMPROV_ROLLUP_H

#include <stddef.h>
#include <stdint.h>

#include "proc/page_kinds.h"

struct rollup {
	uint64_t rss; /* bytes, all of them */
	uint64_t swap;
	struct page_kinds kinds; /* as far as this kernel tells them */
	uint64_t pss;
	/* PSS; they add up to pss but for rounding. */
	uint64_t anonymous;
	uint64_t file;
	uint64_t shmem;
};

/* Pure. 0, or -EBADMSG when one of the lines is missing that Linux 5.4 has (before, the
 * parts of PSS are). */
int rollup__parse(const char *text, size_t len, struct rollup *ret);

/* 0 or -errno; -ESRCH: no memory map. */
int rollup__read(int pidfd, struct rollup *ret);

#endif
