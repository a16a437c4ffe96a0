/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trends over a restart of the daemon, which is no restart of what grows: history has them of an
 * hour ago, or of the daemon's end, and each is given back when its process or container is seen.
 * What has been seen for less than a minute is not kept: it begins anew as well.
 */
#ifndef MEMPROV_KEPT_TRENDS_H
#define MEMPROV_KEPT_TRENDS_H

#include <stdint.h>

#include "growth/growers.h"
#include "history/trend_box.h"

/* Copies of all that are worth it, those that wait to be given back too, to a set that was empty.
 * Where memory is short some are missing. */
void kept_trends__save(const struct growers *growers, struct trend_set *ret);

/* One that was kept, for what it is of. What is not sound is passed over: a file may say anything.
 */
void kept_trends__restore(struct growers *growers, const struct trend_entry *entry, uint32_t now_s);

/* To what has been seen already; and to one that is new: nothing when none was kept. A container's
 * sum is right once its processes have been found: until then it is not looked at. */
void kept_trends__give_all(struct growers *growers);
void kept_trends__give_process(struct growers *growers, struct grower *grower);
void kept_trends__give_container(struct growers *growers, struct group *group);

size_t kept_trends__count(const struct growers *growers); /* that wait to be given back */

/* What has not come back. */
void kept_trends__forget(struct growers *growers);

#endif
