// SPDX-License-Identifier: BSD-2-Clause
#include "report/observer.h"

#include "proc/credentials.h"
#include "report/snapshot.h"

static struct observed_owner owner_of(int pidfd)
{
	struct observed_owner owner = {};
	struct credentials c;

	if (credentials__read(pidfd, &c) || c.permitted || !credentials__is_dumpable(&c, pidfd))
		return owner;
	for (int i = 1; i < 4; i++) {
		if (c.uids[i] != c.uids[0] || c.gids[i] != c.gids[0])
			return owner;
	}
	return (struct observed_owner){true, c.uids[0], c.gids[0]};
}

void observer__observe(const struct observer *observer, const struct snapshot *s,
		       const struct report *report)
{
	struct observation observation = {
		.report = report,
		.start_ticks = s->stat.start_ticks,
		.taken_ns = s->began_ns,
		.summed = s->summed,
	};

	if (!observer)
		return;
	observation.owner = owner_of(s->pidfd);
	observer->observed(observer->ctx, &observation);
}
