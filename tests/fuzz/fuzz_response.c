// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as the beginning of a daemon's answer: what it gives lies within them. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "cli/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct response_head head = {};
	int err = response_head__parse((const char *)data, size, &head);

	if (err ? (err != -EAGAIN && err != -EBADMSG) || head.status || head.head_len
		: head.status < 100 || head.status > 599 || head.head_len > size)
		abort();
	return 0;
}
