/* SPDX-License-Identifier: BSD-2-Clause */
/* What growth's own files share. */
#ifndef MEMPROV_GROWTH_PARTS_H
#define MEMPROV_GROWTH_PARTS_H

#include <pthread.h>

#include "growth/alerts.h"
#include "growth/growers.h"
#include "growth/growth.h"

struct growth {
	struct growth_config config;
	struct observer observer;
	char node[256];
	struct taker *taker;

	pthread_mutex_t lock; /* for all of these */
	pthread_cond_t wake;
	uint32_t round;
	struct growers growers;
	struct alerts alerts;
	uint64_t max_map_count; /* 0: not known */
	bool restored;		/* the trends of before */
	uint32_t saved_s;
};

#endif
