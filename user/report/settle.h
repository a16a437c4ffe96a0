/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows from the stacks of a report's regions: call sites, categories, and the sums and rows
 * of both. A report that was taken without waiting for its stacks (taker_config.stacks_later) is
 * settled when there is time, also after the process has gone.
 */
#ifndef MEMPROV_SETTLE_H
#define MEMPROV_SETTLE_H

#include "report/report.h"

/* Waits for stacks that are being unwound, for wait_ns at most, and fills in what follows from
 * those that have been. To be called before another thread reads the report. 0 or -ENOMEM. */
int report__settle(struct report *report, uint64_t wait_ns);

#endif
