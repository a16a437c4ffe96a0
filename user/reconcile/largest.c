// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/largest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/cleanup.h"

struct key {
	uint64_t held;
	uint64_t start;
	size_t place;
};

static bool is_before(const struct key *a, const struct key *b)
{
	return a->held != b->held ? a->held > b->held : a->start < b->start;
}

static int by_order(const void *a, const void *b)
{
	return is_before(a, b) ? -1 : is_before(b, a);
}

/* On a heap whose root comes last of all that are kept: key is kept instead of the one at i, which
 * was the root of its subtree. */
static void sift(struct key *heap, size_t n, size_t i, struct key key)
{
	size_t child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && is_before(&heap[child], &heap[child + 1]))
			child++;
		if (is_before(&heap[child], &key))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = key;
}

static struct key key_of(const struct part *parts, size_t i)
{
	return (struct key){page_kinds__held(&parts[i].kinds, parts[i].rss), parts[i].start, i};
}

/* The `kept` largest, in order; NULL when out of memory. */
static struct key *pick(const struct part *parts, size_t n, size_t kept)
{
	struct key *keys = calloc(kept + 1, sizeof(*keys));

	if (!keys)
		return NULL;
	for (size_t i = 0; i < kept; i++)
		keys[i] = key_of(parts, i);
	for (size_t i = kept / 2; kept < n && i-- > 0;)
		sift(keys, kept, i, keys[i]);
	for (size_t i = kept; kept && i < n; i++) {
		struct key key = key_of(parts, i);

		if (is_before(&key, &keys[0]))
			sift(keys, kept, 0, key);
	}
	qsort(keys, kept, sizeof(*keys), by_order);
	return keys;
}

int parts__largest(const struct part *parts, size_t n, size_t wanted, size_t **ret, size_t *ret_n)
{
	size_t kept = n < wanted ? n : wanted;
	_cleanup_free_ struct key *keys = pick(parts, n, kept);
	size_t *places = calloc(kept + 1, sizeof(*places));

	if (!keys || !places) {
		free(places);
		return -ENOMEM;
	}
	for (size_t i = 0; i < kept; i++)
		places[i] = keys[i].place;
	*ret = places;
	*ret_n = kept;
	return 0;
}

int parts__move_largest(struct part *parts, size_t n, size_t wanted)
{
	_cleanup_free_ size_t *places = NULL;
	size_t kept;

	if (parts__largest(parts, n, wanted, &places, &kept))
		return -ENOMEM;
	for (size_t i = 0; i < kept; i++) {
		size_t at = places[i];
		struct part part = parts[i];

		/* What was at an earlier place has made way. */
		while (at < i)
			at = places[at];
		parts[i] = parts[at];
		parts[at] = part;
		places[i] = at;
	}
	return 0;
}
