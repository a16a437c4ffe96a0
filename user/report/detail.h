/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much a report of one process says of its regions. private, shared and PSS are not free:
 * smaps, which has them of every VMA, takes several times as long to read as what tells the rest.
 */
#ifndef MEMPROV_DETAIL_H
#define MEMPROV_DETAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct detail {
	size_t regions; /* the largest, of which private and shared are told */
	bool pss;	/* and PSS */
};

#define DETAIL_FULL ((struct detail){.regions = SIZE_MAX, .pss = true})
#define DETAIL_NONE ((struct detail){0})

#endif
