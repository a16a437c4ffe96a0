/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which calls fail, and how. calls.c stands before the C library: in a unit test by the linker's
 * --wrap, so that it also stands before a sanitizer; in a daemon by LD_PRELOAD, where the plan lies
 * in a file that the test and the daemon have mapped, so that the test changes it as it goes.
 *
 *     the nth call that matches     fails
 *     all after it                  too, if it is for ever
 */
#ifndef MEMPROV_FAULTS_PLAN_H
#define MEMPROV_FAULTS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* In place of an error: half of what was asked for, one byte at least. */
#define FAULT_SHORT (-1)

/* A plan that matches every call that allocates. */
#define FAULT_MEMORY "memory"

struct fault_plan {
	char call[32]; /* its name; "": none fails */
	char file[64]; /* what the path of its descriptor, or of the file that it opens, contains */
	int32_t err;   /* errno, or FAULT_SHORT */
	uint32_t nth;  /* from 1 on */
	uint32_t for_ever;
	uint32_t only_pid; /* 0: in all processes */
	uint32_t held;	   /* nothing fails, and nothing is counted */
	uint32_t seen;	   /* calls that match */
	uint32_t failed;   /* of those */
};

extern struct fault_plan *fault_plan;

/* Whether the next allocation of another library fails: for those that ask. */
bool faults__refuse_memory(void);

#endif
