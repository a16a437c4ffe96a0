// SPDX-License-Identifier: BSD-2-Clause
#include "sampler/rank.h"

#include <stdlib.h>

bool candidate__is_due(const struct candidate *c)
{
	if (c->is_new)
		return true;
	if (c->age_ns / RANK_SPACING < c->cost_ns)
		return false;
	return c->changed || c->events || c->unsettled || c->age_ns > RANK_REFRESH_NS;
}

bool rank__has_a_look(pid_t pid, uint64_t age, uint64_t round)
{
	uint64_t every = age < RANK_LONGEST ? age : RANK_LONGEST;

	return !every || (round + (uint64_t)pid) % every == 0;
}

static double weight(const struct candidate *c)
{
	return ((double)c->changed + (double)c->events) * (double)c->age_ns;
}

static int more_urgent(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->is_new != y->is_new)
		return y->is_new - x->is_new;
	if (weight(x) != weight(y))
		return weight(x) < weight(y) ? 1 : -1;
	return (x->age_ns < y->age_ns) - (x->age_ns > y->age_ns);
}

void candidates__sort(struct candidate *candidates, size_t n)
{
	qsort(candidates, n, sizeof(*candidates), more_urgent);
}
