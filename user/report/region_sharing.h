/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * private, shared and PSS for a report of one process that did not read smaps: of every VMA before
 * they are joined, or of the VMAs of the largest parts afterwards. By pagemap alone where that
 * suffices, else by mapcounts (proc/mapcounts.h).
 */
#ifndef MEMPROV_REGION_SHARING_H
#define MEMPROV_REGION_SHARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconcile/join.h"
#include "report/detail.h"

struct mapcounts;

/* A process with fewer VMAs is read from smaps where mapcounts are asked: to ask for a pagemap
 * costs as much as so many of them. */
#define REGION_SHARING_LEAST_VMAS 1000

struct region_sharing {
	const struct mapcounts *mapcounts; /* borrowed; NULL: there are none */
	int pidfd;			   /* borrowed */
	int pagemap;			   /* borrowed; its own, which shows no frames */
	int frames;			   /* a pagemap that shows them; -1: not opened yet */
	uint64_t page_size;
	struct detail detail;
};

/* Whether pagemap alone will not do. */
bool region_sharing__asks_mapcounts(const struct detail *detail);

/* Of all VMAs, whose rss is known: 0, or why smaps is to be read. */
int region_sharing__of_all(struct region_sharing *sharing, struct vma_set *set);

/* Of as many of the largest parts as are wanted: 0, -ENOMEM, or -ENODATA: smaps is to be read. */
int region_sharing__of_largest(struct region_sharing *sharing, struct vma_set *set,
			       struct part_list *parts);

void region_sharing__close(struct region_sharing *sharing);

#endif
