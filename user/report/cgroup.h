/* SPDX-License-Identifier: BSD-2-Clause */
/* The cgroup of a report, and the bridge to it from the memory of a group's processes. */
#ifndef MEMPROV_REPORT_CGROUP_H
#define MEMPROV_REPORT_CGROUP_H

#include "proc/cgroup.h"
#include "proc/rollup.h"
#include "report/encode.h"
#include "util/json.h"

/* Pure: the bridge from the members' sums to `current`. False when a figure is not known that it
 * cannot do without. */
bool report_bridge__compute(const struct rollup *members, const struct cgroup_stat *stat,
			    uint64_t current, struct report_bridge *ret);

/* "cgroup" and its value; null for NULL. */
void report_cgroup__put(struct json *json, const struct report_cgroup *cgroup);

/* The section "Control Group", and the blank line behind it; nothing without a bridge: of a process
 * alone, JSON has the figures. */
void report_cgroup__add_text(struct buf *out, const struct report_cgroup *cgroup, enum unit unit);

#endif
