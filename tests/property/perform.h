/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking a step, in the target: the calls, and what they mean for the shadow. All calls are raw,
 * so that no library (and no sanitizer) does anything on the way.
 */
#ifndef MEMPROV_PROPERTY_PERFORM_H
#define MEMPROV_PROPERTY_PERFORM_H

#include "shadow.h"
#include "steps.h"

#define FILE_PAGES 4096 /* of the file and of the memfd that are mapped; both are sparse */
#define SHM_PAGES  8
#define SHM_COUNT  2

#define LOG_LEN 160

/* What is mapped besides anonymous memory; made once, inherited. */
struct backing {
	int file;
	int memfd;
	int shm[SHM_COUNT];
};

struct performer {
	struct shadow *shadow;
	const struct backing *backing;
	uint32_t tid;
	char *late;	   /* a page of names, names[i] at i * LATE_STEP, in shared memory */
	char *vfork_stack; /* the end of some memory */
	char *log;	   /* LOG_LEN bytes: the calls that were made */
};

#define LATE_STEP 64

/* All but OP_FORK. */
void perform__step(struct performer *performer, const struct step *step);

/* perform_rare.c: OP_BRK, OP_SHMAT, OP_SHMDT, OP_HUGE, OP_DOWN, OP_VFORK, OP_FAIL */
void perform__rare(struct performer *performer, const struct step *step);

/* Of both. The result of the call, or -errno. */
long perform__call(struct performer *performer, const char *name, long number, long a, long b,
		   long c, long d, long e, long f);

/* Writes to pages that may be written to, by one of the functions of touchers.h. */
void perform__touch(struct performer *performer, uint64_t addr, uint64_t n, unsigned who);

/* After a call that failed halfway: what is not mapped any more, by the kernel's word. */
void perform__look(struct performer *performer, uint64_t addr, uint64_t n);
bool perform__is_mapped(uint64_t addr);

/* What a mapping that came to be in no window is good for: nothing. */
bool perform__place(struct performer *performer, uint64_t addr, uint64_t n);

#endif
