// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a recording of events, through the model. */
#include <stdint.h>

#include "../unit/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf ledgers = {0};
	int err = replay(data, size, NULL, &ledgers);

	if (err && err != -EBADMSG)
		abort();
	return 0;
}
