// SPDX-License-Identifier: BSD-2-Clause
#include "serve/alerts.h"

#include "growth/growth.h"
#include "serve/remembered.h"

struct seer {
	const char *proc;
	const struct caller *caller;
};

static bool may_see(const struct alert *alert, const void *ctx)
{
	const struct remembered remembered = {alert->pid, alert->start_ticks, alert->owner};
	const struct seer *seer = ctx;

	return remembered__may_read(&remembered, seer->proc, seer->caller);
}

void alerts__answer(const struct reporter *reporter, const struct route *route,
		    const struct query *query, const struct asker *asker, struct answer *answer)
{
	const struct seer seer = {reporter->proc, asker->caller};
	bool json = query__is_json(query);

	answer__ok(answer, route->formats[query->format].type);
	growth__encode(reporter->growth, may_see, &seer, json, &answer->body);
	if (buf__error(&answer->body))
		answer__fail(answer, ERROR_KERNEL_REFUSED, json, "memory is short");
}
