// SPDX-License-Identifier: BSD-2-Clause
#include "report/amount.h"

#include <inttypes.h>

static const struct {
	int64_t bytes;
	const char *name;
} units[] = {
	[UNIT_MB] = {1 << 20, "MB"},
	[UNIT_KB] = {1 << 10, "kB"},
};

void amount__add(struct buf *out, uint64_t bytes, int width, enum unit unit)
{
	if (bytes == UNKNOWN_BYTES) {
		buf__printf(out, "%*s", width + 3, "-");
		return;
	}
	buf__add_u64(out, bytes / (uint64_t)units[unit].bytes, width);
	buf__puts(out, " ");
	buf__puts(out, units[unit].name);
}

void amount__add_change(struct buf *out, int64_t bytes, int width, enum unit unit)
{
	buf__printf(out, "%+*" PRId64 " %s", width, bytes / units[unit].bytes, units[unit].name);
}

void age__add(struct buf *out, uint64_t ms, int width)
{
	if (ms == UNKNOWN_BYTES)
		buf__printf(out, "%*s", width + 2, "-");
	else
		buf__printf(out, "%*" PRIu64 " s", width, ms / 1000);
}

void amount__put(struct json *json, const char *key, uint64_t bytes)
{
	if (bytes == UNKNOWN_BYTES)
		json__put_null(json, key);
	else
		json__put_u64(json, key, bytes);
}
