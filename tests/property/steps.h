/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sequence is a list of steps, all made from one number before the first is taken. A step
 * says in its own fields what to try where, and depends on no other step, so any of them can be
 * left out (that is how a failing sequence is shrunk) and the rest still mean the same.
 */
#ifndef MEMPROV_PROPERTY_STEPS_H
#define MEMPROV_PROPERTY_STEPS_H

#include <stddef.h>
#include <stdint.h>

enum op {
	OP_MMAP,
	OP_MUNMAP,
	OP_MREMAP,
	OP_DUPLICATE, /* mremap of shared memory with an old length of 0 */
	OP_PROTECT,
	OP_LOCK,
	OP_ADVISE,
	OP_BRK,
	OP_NAME,
	OP_SHMAT,
	OP_SHMDT,
	OP_TOUCH,
	OP_READ,
	OP_HUGE,  /* MAP_HUGETLB, and what is done to it */
	OP_DOWN,  /* MAP_GROWSDOWN, naming it and growing it */
	OP_FAIL,  /* calls that the kernel refuses */
	OP_VFORK, /* a child in the same address space maps something */
	OP_FORK,  /* a child takes some steps of its own; or the one that is there ends */
	OPS,
};

#define STEPS_MAX 64
#define WORKERS	  5 /* the main thread and four more */

struct step {
	uint8_t op;
	uint8_t worker;
	uint8_t window; /* enum window_id */
	uint8_t to_window;
	uint16_t page;
	uint16_t to;
	uint16_t n;
	uint16_t m;
	uint32_t bits; /* for whatever else is to be chosen */
};

/* family: FAMILY_* below. */
void steps__generate(uint64_t seed, unsigned family, struct step *steps, size_t n);

#define FAMILY_ALL   0 /* everything */
#define FAMILY_CHILD 1 /* what a forked child may do: no forks, no huge pages */
#define FAMILY_RACE  2 /* only what stays in its own window */

const char *op__name(enum op op);

#endif
