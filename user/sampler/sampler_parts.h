/* SPDX-License-Identifier: BSD-2-Clause */
/* What sampler.c and list.c share. */
#ifndef MEMPROV_SAMPLER_PARTS_H
#define MEMPROV_SAMPLER_PARTS_H

#include <pthread.h>

#include "live/sweep.h"
#include "sampler/sampler.h"
#include "sampler/table.h"

struct sampler {
	struct taker *taker;
	const struct observer *observer;
	struct table *table;
	const struct sweeper *sweeper;
	uint64_t began_ticks;
	bool met_all;	      /* as in struct observer */
	pthread_mutex_t lock; /* for wake */
	pthread_cond_t wake;
};

/* Samples a process and enters that. A reference in *ret, which may be NULL; errors as
 * sample__take(). */
int sampler__sample(struct sampler *sampler, pid_t pid, uint64_t largest,
		    const struct sample *before, struct visitor *visitor, struct sample **ret);

#endif
