// SPDX-License-Identifier: BSD-2-Clause
#include "growth/kept_trend.h"

#include <stdlib.h>
#include <string.h>

void kept_trend__free(struct kept_trend *kept)
{
	free(kept->name);
	free(kept->container);
	free(kept);
}

static void replace(struct kept_trend **all, struct kept_trend *kept)
{
	struct kept_trend *other;

	HASH_FIND_STR(*all, kept->name, other);
	if (other) {
		HASH_DEL(*all, other);
		kept_trend__free(other);
	}
	HASH_ADD_KEYPTR(hh, *all, kept->name, strlen(kept->name), kept);
	if (!HASH_HAS(kept))
		kept_trend__free(kept);
}

void kept_trend__add(struct kept_trend **all, const char *name, const char *container,
		     int64_t offset, const struct trend *trend)
{
	struct kept_trend *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return;
	kept->trend = *trend;
	kept->offset = offset;
	kept->name = strdup(name);
	kept->container = strdup(container);
	if (kept->name && kept->container)
		replace(all, kept);
	else
		kept_trend__free(kept);
}

struct kept_trend *kept_trend__take(struct kept_trend **all, const struct buf *name)
{
	struct kept_trend *kept = NULL;

	if (!buf__error(name))
		HASH_FIND(hh, *all, name->data, name->len, kept);
	if (kept)
		HASH_DEL(*all, kept);
	return kept;
}

void kept_trend__free_all(struct kept_trend **all)
{
	struct kept_trend *kept, *next;

	HASH_ITER (hh, *all, kept, next) {
		HASH_DEL(*all, kept);
		kept_trend__free(kept);
	}
}
