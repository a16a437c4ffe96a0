/* SPDX-License-Identifier: BSD-2-Clause */
/* The last reports of processes that may be killed soon. For one thread. */
#ifndef MEMPROV_KEPT_H
#define MEMPROV_KEPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"

#define KEPT_MAX 32 /* the oldest goes */

struct report;

struct kept_report {
	pid_t pid;
	uint64_t start_ticks;
	uint64_t taken_ns; /* CLOCK_BOOTTIME */
	uint64_t rss;	   /* bytes */
	uid_t uid;	   /* of all its user IDs, (uid_t)-1 when they differ */
	char comm[64];
	struct buf container; /* JSON */
	struct buf json;
	struct buf text;
};

struct kept {
	struct kept_report reports[KEPT_MAX]; /* pid 0: none */
};

void kept__free(struct kept *kept);

/* Encodes the report, in place of an older one of the process. 0 or -ENOMEM. */
int kept__add(struct kept *kept, const struct report *report, uint64_t start_ticks, uid_t uid);

/* The process's, or NULL; start_ticks 0: not known. */
const struct kept_report *kept__find(const struct kept *kept, pid_t pid, uint64_t start_ticks);

#endif
