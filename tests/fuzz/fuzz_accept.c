// SPDX-License-Identifier: BSD-2-Clause
/* Any text as an Accept-Encoding header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/accept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char other[] = "br;q=0.5, ";
	char *header = calloc(1, sizeof(other) + size);
	char *own = header + strlen(other);
	bool gzip;

	memcpy(header, other, strlen(other));
	memcpy(own, data, size);
	gzip = accept__gzip(own);
	if ((gzip && !strcasestr(own, "gzip")) || gzip != accept__gzip(header))
		abort();
	free(header);
	return 0;
}
