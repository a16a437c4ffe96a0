/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of the child, on the parent's side. */
#ifndef MEMPROV_LAUNCH_H
#define MEMPROV_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct launched {
	pid_t pid; /* 0: there is none */
	int socket;
	int schedstat;		  /* of /proc; -1: it cannot be read */
	volatile uint32_t *blame; /* the file that it is reading, shared with it */
};

/* 0 or -errno. The child ends with the thread that launches it. */
int launch__start(uint64_t memory, struct launched *ret);

/* It has ended by itself, or somebody has killed it; launch__end() is still due. */
bool launch__has_ended(const struct launched *child);

/* How long it has waited for a CPU since it began, as far as is known: that is no fault of its. */
uint64_t launch__waited_ns(const struct launched *child);

/* Kills it, if there is one, and waits for its end. Returns the number of the file that it was
 * reading; 0 for none. */
uint32_t launch__end(struct launched *child);

#endif
