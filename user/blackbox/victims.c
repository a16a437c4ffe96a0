// SPDX-License-Identifier: BSD-2-Clause
#include "blackbox/victims.h"

bool victims__add(struct victims *victims, uint32_t tgid, uint64_t start_ns)
{
	for (size_t i = 0; start_ns && i < VICTIMS_MAX; i++) {
		if (victims->last[i].tgid == tgid && victims->last[i].start_ns == start_ns)
			return false;
	}
	victims->last[victims->next].tgid = tgid;
	victims->last[victims->next].start_ns = start_ns;
	victims->next = (victims->next + 1) % VICTIMS_MAX;
	return true;
}
