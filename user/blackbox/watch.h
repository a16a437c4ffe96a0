/* SPDX-License-Identifier: BSD-2-Clause */
/* All places where memory may run short, and how short it is there. For one thread. */
#ifndef MEMPROV_WATCH_H
#define MEMPROV_WATCH_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "blackbox/place.h"
#include "event.h"

struct watch;

/* proc must outlive it; NULL when out of memory. */
struct watch *watch__new(const char *proc);
void watch__free(struct watch *watch); /* accepts NULL */

/* Looks for cgroups when that is due, and how full each is: ten times a second, more often where
 * one fills, and less often if it would take more than a five-hundredth of a CPU each. The time of
 * the next look: CLOCK_BOOTTIME. */
uint64_t watch__look(struct watch *watch);

/* A place that wants reports, or NULL; the caller takes them, and says so. */
struct place *watch__wants_reports(struct watch *watch);
void watch__reported(struct watch *watch, struct place *place);

/* Its directory, or -errno; of the node -ENOENT. */
int watch__open(const struct watch *watch, const struct place *place);

uint64_t watch__node_limit(const struct watch *watch); /* bytes; 0: not looked at yet */

/* The cgroup whose limit a process has just been killed for: the first of its cgroups, as struct
 * mp_kill has them, that has been hit since the last look. NULL: the node was short. */
struct place *watch__hit(struct watch *watch, const __u64 cgroups[MP_KILL_CGROUPS]);

#endif
