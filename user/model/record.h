/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of how a mapping came to be, shared by all the ranges that it was cut into and
 * by the ledgers that inherited it. Records and names never change once made; they are counted,
 * and the counts are atomic, because snapshots are let go on other threads.
 */
#ifndef MEMPROV_RECORD_H
#define MEMPROV_RECORD_H

#include <stdint.h>

#include "collect/decode.h"
#include "model/origin.h"

struct record {
	unsigned refs;
	enum origin origin;
	uint32_t tid;	     /* of the thread that made the call; 0: not witnessed */
	uint64_t space;	     /* the id of the address space it was made in */
	uint64_t created_ns; /* CLOCK_BOOTTIME; 0: not witnessed */
	uint64_t base;	     /* the address that the call returned; 0: not witnessed */
	char comm[MP_COMM_LEN];
};

/* With one reference, the caller's; NULL when out of memory. */
struct record *record__new(enum origin origin, uint64_t space, uint64_t base,
			   const struct mp_event_head *head, const char *comm);
struct record *record__ref(struct record *record);
void record__unref(struct record *record); /* accepts NULL */

/* A name set by prctl. */
struct name {
	unsigned refs;
	char text[];
};

struct name *name__new(const char *text);  /* NULL when out of memory */
struct name *name__ref(struct name *name); /* accepts NULL */
void name__unref(struct name *name);	   /* accepts NULL */

#endif
