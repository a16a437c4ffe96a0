// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as the beginning of a mapped file. */
#include <stdint.h>
#include <stdlib.h>

#include "proc/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum file_is is = file__classify(data, size);

	if (is != FILE_IS_DATA && is != FILE_IS_ELF && is != FILE_IS_GO)
		abort();
	return 0;
}
