/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The call sites of a report: what each has resident and mapped now, from the parts of one
 * process or of many, and what it has mapped in all.
 */
#ifndef MEMPROV_SITES_H
#define MEMPROV_SITES_H

#include "model/uses.h"
#include "report/report.h"

struct sites;

/* NULL when out of memory; free accepts NULL. */
struct sites *sites__new(void);
void sites__free(struct sites *sites);

/* The parts and the uses of one process. 0 or -ENOMEM. */
int sites__add(struct sites *sites, const struct part *parts, size_t n_parts,
	       const struct use *uses, size_t n_uses);

/* Fills report->sites, largest resident first: those that have live regions, or have named some.
 * 0 or -ENOMEM. */
int sites__fill(const struct sites *sites, struct report *report);

/* The same for the regions and uses of one process's report. */
int sites__fill_process(struct report *report);

#endif
