/* SPDX-License-Identifier: BSD-2-Clause */
/* From trends to alerts: pure but for memory. */
#ifndef MEMPROV_EVALUATE_H
#define MEMPROV_EVALUATE_H

#include "growth/alerts.h"
#include "growth/growers.h"

struct moment {
	uint32_t boot_s;  /* CLOCK_BOOTTIME */
	uint64_t wall_ns; /* since 1970 */
};

/* max_map_count 0: not known. */
void evaluate__all(struct growers *growers, struct alerts *alerts, uint64_t max_map_count,
		   const struct moment *now);

/* The process has gone, and so has its growth. It is forgotten. */
void evaluate__gone(struct growers *growers, struct alerts *alerts, struct grower *grower,
		    uint64_t wall_ns);

#endif
