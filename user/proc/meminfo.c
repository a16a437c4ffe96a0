// SPDX-License-Identifier: BSD-2-Clause
#include "proc/meminfo.h"

#include <errno.h>
#include <string.h>

#include "util/number.h"

/* The number behind the first `key` of the text. */
static int value_of(const char *text, const char *key, uint64_t *ret)
{
	const char *pos = strstr(text, key);

	if (!pos)
		return -EBADMSG;
	pos += strlen(key);
	pos += strspn(pos, " ");
	return number__scan(&pos, pos + strlen(pos), 10, ret) ? -EBADMSG : 0;
}

int meminfo__parse(const char *text, uint64_t *ret_total, uint64_t *ret_used)
{
	uint64_t total, available;

	if (value_of(text, "MemTotal:", &total) || value_of(text, "MemAvailable:", &available) ||
	    total > UINT64_MAX / 1024 || available > total)
		return -EBADMSG;
	*ret_total = total * 1024;
	*ret_used = (total - available) * 1024;
	return 0;
}

int pressure__parse(const char *text, unsigned *ret_some)
{
	uint64_t whole, hundredths;

	if (strncmp(text, "some ", 5) || value_of(text, "avg10=", &whole) || whole > 100 ||
	    value_of(strstr(text, "avg10="), ".", &hundredths) || hundredths > 99)
		return -EBADMSG;
	*ret_some = whole * 100 + hundredths;
	return 0;
}
