/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of how a mapping came to be, shared by all the ranges that it was cut into and
 * by the ledgers that inherited it. Records never change once made; they are counted, and the
 * counts are atomic, because snapshots are let go on other threads.
 */
#ifndef MEMPROV_RECORD_H
#define MEMPROV_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/decode.h"
#include "model/callsite.h"
#include "model/origin.h"

struct record {
	unsigned refs;
	enum origin origin;
	uint32_t tid;	     /* of the thread that made the call; 0: not witnessed */
	uint64_t space;	     /* the id of the address space it was made in */
	uint64_t created_ns; /* CLOCK_BOOTTIME; 0: not witnessed */
	uint64_t lo;	     /* what the call mapped; empty for growth, and when not witnessed */
	uint64_t hi;
	bool attached;	/* a System V segment: shmdt knows it by lo */
	bool is_code;	/* PROT_EXEC was asked for */
	bool for_stack; /* MAP_STACK: "an address suitable for a stack" (mmap(2)) */
	char comm[MP_COMM_LEN];
	struct trace *trace; /* of the call; NULL: none was taken */
	/* Of the call that reserved the addresses, when others were put over all of it since
	 * (MAP_FIXED); NULL: there was none, or several. */
	struct trace *reservation;
};

/* With one reference, the caller's; NULL when out of memory. trace may be NULL; the record takes a
 * reference of its own. */
struct record *record__new(enum origin origin, uint64_t space, const struct mp_event_head *head,
			   const char *comm, struct trace *trace);
struct record *record__copy(const struct record *record); /* the same */
struct record *record__ref(struct record *record);
void record__unref(struct record *record); /* accepts NULL */

#endif
