// SPDX-License-Identifier: BSD-2-Clause
#include "report/settle.h"

#include <errno.h>

#include "reconcile/join.h"
#include "reconcile/touched.h"
#include "report/sites.h"
#include "report/summary.h"
#include "report/touch_sites.h"
#include "util/waiter.h"

static int fill_sums(struct report *report)
{
	struct summary *summary = summary__new();
	int err = summary ? 0 : -ENOMEM;

	if (!err)
		summary__add_totals(summary, &report->totals);
	for (size_t i = 0; !err && i < report->n_regions; i++)
		err = summary__add(summary, &report->regions[i], report->binary);
	if (!err)
		err = summary__fill(summary, report);
	summary__free(summary);
	return err;
}

int report__settle(struct report *report, uint64_t wait_ns)
{
	int err;

	while ((parts__have_waiting_stacks(report->regions, report->n_regions) ||
		touch_samples__wait(report->touch.list, report->touch.n_list)) &&
	       waiter__nap(&wait_ns))
		;
	parts__resolve(report->regions, report->n_regions);
	err = fill_sums(report);
	err = err ?: sites__fill_process(report);
	return err ?: touch_sites__fill_process(report);
}
