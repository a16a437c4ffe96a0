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

static void tell_all(void *ctx, const struct observation *observation)
{
	const struct observers *o = ctx;

	for (size_t i = 0; i < o->n; i++)
		o->all[i]->observed(o->all[i]->ctx, observation);
}

static void tell_met_all(void *ctx)
{
	const struct observers *o = ctx;

	for (size_t i = 0; i < o->n; i++) {
		if (o->all[i]->met_all)
			o->all[i]->met_all(o->all[i]->ctx);
	}
}

static void tell_all_gone(void *ctx, pid_t pid, uint64_t start_ticks)
{
	const struct observers *o = ctx;

	for (size_t i = 0; i < o->n; i++)
		o->all[i]->gone(o->all[i]->ctx, pid, start_ticks);
}

void observers__add(struct observers *o, const struct observer *observer)
{
	o->observer = (struct observer){tell_all, tell_all_gone, tell_met_all, o};
	o->all[o->n++] = observer;
}

void observer__observe(const struct observer *observer, const struct snapshot *s,
		       const struct report *report)
{
	struct observation observation = {
		.report = report,
		.start_ticks = s->stat.start_ticks,
		.taken_ns = s->began_ns,
		.mappings = s->set.n,
		.summed = s->summed,
	};

	if (!observer)
		return;
	observation.owner = owner_of(s->pidfd);
	observer->observed(observer->ctx, &observation);
}
