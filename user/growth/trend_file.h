/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trends over a restart of the daemon, which is no restart of what grows: history has them of an
 * hour ago, or of the daemon's end, and each is given back when its process or container is seen.
 * What has been seen for less than a minute is not kept: it begins anew as well.
 */
#ifndef MEMPROV_TREND_FILE_H
#define MEMPROV_TREND_FILE_H

#include <stdint.h>

#include "growth/growers.h"
#include "history/trend_box.h"

/* Copies of all that are worth it, those that wait to be given back too, to a set that was empty.
 * Where memory is short some are missing. */
void trend_file__save(const struct growers *growers, struct trend_set *ret);

/* One that was kept, for what it is of. What is not sound is passed over: a file may say anything.
 */
void trend_file__restore(struct growers *growers, const struct trend_entry *entry, uint32_t now_s);

#endif
