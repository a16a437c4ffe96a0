/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sites of first touch of a report: what each has resident, of one process or of many. They are
 * call sites, and rows as those are (report/sites.h).
 */
#ifndef MEMPROV_TOUCH_SITES_H
#define MEMPROV_TOUCH_SITES_H

#include "reconcile/touched.h"
#include "report/report.h"

struct touch_sites;

/* NULL when out of memory; free accepts NULL. */
struct touch_sites *touch_sites__new(uint64_t page_size);
void touch_sites__free(struct touch_sites *sites);

/* The parts of one process, and its samples. 0 or -ENOMEM. */
int touch_sites__add(struct touch_sites *sites, const struct part *parts, size_t n_parts,
		     const struct touch_list *touches);

/* Fills in report->touch but for its state, largest site first. 0 or -ENOMEM. */
int touch_sites__fill(const struct touch_sites *sites, struct report *report);

/* The same for the regions and samples of one process's report. */
int touch_sites__fill_process(struct report *report);

#endif
