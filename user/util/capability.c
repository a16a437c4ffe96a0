// SPDX-License-Identifier: BSD-2-Clause
#include "util/capability.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>

static uint64_t read_set(capng_type_t set)
{
	uint64_t mask = 0;

	for (unsigned number = 0; number <= CAP_LAST_CAP; number++) {
		if (capng_have_capability(set, number))
			mask |= CAPABILITY_BIT(number);
	}
	return mask;
}

uint64_t capability__effective(void)
{
	return capng_get_caps_process() ? 0 : read_set(CAPNG_EFFECTIVE);
}

int capability__keep(uint64_t keep)
{
	capng_select_t sets = CAPNG_SELECT_CAPS;

	if (capng_get_caps_process())
		return -EPERM;
	keep &= read_set(CAPNG_PERMITTED);
	/* The bounding set is what a root's exec gets back. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets = CAPNG_SELECT_BOTH;
	capng_clear(sets);
	for (unsigned number = 0; number <= CAP_LAST_CAP; number++) {
		if (keep & CAPABILITY_BIT(number) &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				 number))
			return -EINVAL;
	}
	return capng_apply(sets) ? -EPERM : 0;
}
