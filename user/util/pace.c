// SPDX-License-Identifier: BSD-2-Clause
#include "util/pace.h"

#include "util/clock.h"

static int64_t credit(const struct pace *pace, uint64_t now_ns)
{
	uint64_t passed = pace->at_ns && now_ns > pace->at_ns ? now_ns - pace->at_ns : 0;
	int64_t sum = pace->credit_ns + (int64_t)((double)passed * pace->rate_ns / NSEC_PER_SEC);

	return sum < (int64_t)pace->saved_ns ? sum : (int64_t)pace->saved_ns;
}

void pace__spend(struct pace *pace, uint64_t now_ns, uint64_t cpu_ns)
{
	int64_t sum = credit(pace, now_ns) - (int64_t)cpu_ns;

	pace->credit_ns =
		pace->owed_ns && sum < -(int64_t)pace->owed_ns ? -(int64_t)pace->owed_ns : sum;
	pace->at_ns = now_ns;
}

uint64_t pace__debt_ns(const struct pace *pace, uint64_t now_ns)
{
	int64_t sum = credit(pace, now_ns);

	return sum < 0 ? -sum : 0;
}

uint64_t pace__wait_ns(const struct pace *pace, uint64_t now_ns)
{
	return (double)pace__debt_ns(pace, now_ns) * NSEC_PER_SEC / pace->rate_ns;
}
