// SPDX-License-Identifier: BSD-2-Clause
#include "blackbox/kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/container.h"
#include "report/encode.h"
#include "report/report.h"
#include "util/clock.h"
#include "util/json.h"

#define TOP 20 /* rows of each list, as of a report by default */

static void drop(struct kept_report *report)
{
	buf__free(&report->container);
	buf__free(&report->json);
	buf__free(&report->text);
	*report = (struct kept_report){};
}

void kept__free(struct kept *kept)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		drop(&kept->reports[i]);
}

const struct kept_report *kept__find(const struct kept *kept, pid_t pid, uint64_t start_ticks)
{
	for (size_t i = 0; i < KEPT_MAX; i++) {
		const struct kept_report *report = &kept->reports[i];

		if (report->pid == pid && (!start_ticks || report->start_ticks == start_ticks))
			return report;
	}
	return NULL;
}

/* The process's, else a free one, else the oldest. */
static struct kept_report *place_for(struct kept *kept, pid_t pid)
{
	struct kept_report *found = &kept->reports[0];

	for (size_t i = 0; i < KEPT_MAX; i++) {
		struct kept_report *report = &kept->reports[i];

		if (report->pid == pid)
			return report;
		if (report->taken_ns < found->taken_ns)
			found = report;
	}
	return found;
}

int kept__add(struct kept *kept, const struct report *report, uint64_t start_ticks, uid_t uid)
{
	struct encode_options options = {.top = TOP, .unit = UNIT_MB};
	struct kept_report *place = place_for(kept, report->pid);
	struct kept_report new = {
		.pid = report->pid,
		.start_ticks = start_ticks,
		.taken_ns = clock__boot_ns(),
		.rss = report->totals.rss,
		.uid = uid,
	};
	struct json container = {.out = &new.container};

	snprintf(new.comm, sizeof(new.comm), "%s", report->comm ?: "");
	report_container__put(&container, report->container);
	encode__json(report, &options, &new.json);
	encode__text(report, &options, &new.text);
	if (buf__error(&new.container) || buf__error(&new.json) || buf__error(&new.text)) {
		drop(&new);
		return -ENOMEM;
	}
	drop(place);
	*place = new;
	return 0;
}
