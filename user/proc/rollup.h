/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of /proc/PID/smaps_rollup by kind of memory, which smaps itself does not tell apart. */
#ifndef MEMPROV_ROLLUP_H
#define MEMPROV_ROLLUP_H

#include <stddef.h>
#include <stdint.h>

/* PSS, bytes; they add up to Pss but for rounding. */
struct rollup {
	uint64_t pss;
	uint64_t anonymous;
	uint64_t file;
	uint64_t shmem;
};

/* Pure. 0, or -EBADMSG when one of the lines is missing (before Linux 5.4 the parts are). */
int rollup__parse(const char *text, size_t len, struct rollup *ret);

/* 0 or -errno; -ESRCH: no memory map. */
int rollup__read(int pidfd, struct rollup *ret);

#endif
