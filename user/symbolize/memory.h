/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of the process whose stack a child unwinds: interpreters keep their frames, and the names
 * of their functions, in structures of their own. The child serves one trust domain, whose
 * processes may read each other's memory anyway, so it may ask for any address; it gets what was
 * read while the process was in that domain.
 *
 * What a process can make the daemon do is bounded for each stack: WIRE_MEMORY_ASKED times, and a
 * time, after which there are no bytes. When its memory was late once (a page may never come), none
 * of it is read for a while, so that it costs a tenth of the time at most.
 */
#ifndef MEMPROV_MEMORY_H
#define MEMPROV_MEMORY_H

#include "proc/glance.h"
#include "symbolize/cells.h"

struct memory_reads {
	unsigned asked;
	bool refused; /* something was not read that may be another time */
	uint64_t ns;  /* that reading has taken */
	int pidfd;    /* the process; -1: not opened yet */
};

/* For one stack; end closes what was opened. */
void memory_reads__begin(struct memory_reads *reads);
void memory_reads__end(struct memory_reads *reads);

/* Answers the child. `need` has passed wire__check_need(). 0 or -errno, when the child could not be
 * told. */
int memory_reads__answer(struct memory_reads *reads, struct glancer *glancer, struct cell *cell,
			 struct image *image, const struct wire_need *need);

#endif
