// SPDX-License-Identifier: BSD-2-Clause
#include "sampler/pace.h"

static int64_t credit(const struct pace *pace, uint64_t now_ns)
{
	int64_t earned = pace->at_ns ? (int64_t)((now_ns - pace->at_ns) / PACE_SHARE) : 0;
	int64_t sum = pace->credit_ns + earned;

	return sum < PACE_SAVED_NS ? sum : PACE_SAVED_NS;
}

void pace__spend(struct pace *pace, uint64_t now_ns, uint64_t cpu_ns)
{
	pace->credit_ns = credit(pace, now_ns) - (int64_t)cpu_ns;
	pace->at_ns = now_ns;
}

uint64_t pace__wait_ns(const struct pace *pace, uint64_t now_ns)
{
	int64_t sum = credit(pace, now_ns);

	return sum < 0 ? (uint64_t)-sum * PACE_SHARE : 0;
}
