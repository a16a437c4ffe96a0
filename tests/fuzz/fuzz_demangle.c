// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a mangled name. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "child/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[DEMANGLE_OUT_MAX], *name = malloc(size + 1);

	if (!name)
		return 0;
	memcpy(name, data, size);
	name[size] = '\0';
	if (demangle__name(name, text) && (!*text || !memchr(text, '\0', sizeof(text))))
		abort();
	free(name);
	return 0;
}
