/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes are to be sampled again, and in what order. Pure. */
#ifndef MEMPROV_RANK_H
#define MEMPROV_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct candidate {
	pid_t pid;
	uint64_t start_ticks;
	bool is_new;	  /* never sampled */
	bool predates;	  /* it began before the sampler did */
	bool unsettled;	  /* as in struct sample */
	uint64_t changed; /* pages more or less than the sample's, in statm */
	uint64_t events;  /* that changed its map since the sample */
	uint64_t age_ns;  /* of the sample */
	uint64_t cost_ns; /* CPU time that the sample took */
};

/* A sample is not taken again before its age is this many times its cost. */
#define RANK_SPACING 1000

/* A process without known changes is sampled again after this long: its PSS depends on others. */
#define RANK_REFRESH_NS (300 * 1000000000ULL)

bool candidate__is_due(const struct candidate *candidate);

/*
 * Whether a process that is not known to have changed is looked at in this round: one whose sample
 * is `age` rounds old every so many rounds, at most RANK_LONGEST, so that what changes is noticed
 * soon and what does not is left alone. Not all of them in the same round.
 */
#define RANK_LONGEST 8
bool rank__has_a_look(pid_t pid, uint64_t age, uint64_t round);

/* New ones come first, then those of which the most is new: by change and age, so that those that
 * change little have their turn too. */
void candidates__sort(struct candidate *candidates, size_t n);

#endif
