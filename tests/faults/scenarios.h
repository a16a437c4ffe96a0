/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each room does, to be done while a call of it fails (tests/unit/test_faults.c). A scenario
 * makes what it needs, uses it, frees it, and says what it found; it is then compared with what it
 * says when nothing fails.
 */
#ifndef MEMPROV_FAULTS_SCENARIOS_H
#define MEMPROV_FAULTS_SCENARIOS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan.h"

/* No memory is taken for it, so that it never fails. */
struct said {
	char text[1 << 16];
	size_t len;
	uint64_t lost; /* what is counted as left out */
};

void say(struct said *said, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum {
	/* What does not fit is left out: 0, and another text. */
	MAY_LOSE = 1 << 0,
	/* And said->lost tells so. */
	COUNTS_LOSS = 1 << 1,
	/* It only reads: after a signal, or by halves, it finds the same. */
	ONLY_READS = 1 << 2,
};

struct scenario {
	const char *room;
	const char *name;
	unsigned flags;
	int (*run)(struct said *said); /* 0 or -errno */
};

extern const struct scenario scenarios_pure[], scenarios_proc[], scenarios_kept[],
	scenarios_asking[];

/* A process that stands still, of ours. */
extern pid_t faults_subject;
/* A directory like /proc, with it alone. */
extern char faults_proc[];

#endif
