// SPDX-License-Identifier: BSD-2-Clause
#include "serve/accept.h"

#include <string.h>
#include <strings.h>

#define SPACE " \t"

/* "q=0", "q=0.0" and the like: a weight without a digit but zero. */
static bool refused(const char *parameters, size_t len)
{
	const char *q = memchr(parameters, '=', len);
	const char *end = parameters + len;

	if (!q)
		return false;
	for (q++; q < end; q++) {
		if (*q >= '1' && *q <= '9')
			return false;
	}
	return true;
}

bool accept__gzip(const char *header)
{
	while (header && *header) {
		size_t len, name;

		header += strspn(header, SPACE ",");
		len = strcspn(header, ",");
		name = strcspn(header, SPACE ",;");
		if (name == strlen("gzip") && !strncasecmp(header, "gzip", name))
			return !refused(header + name, len - name);
		header += len;
	}
	return false;
}
