// SPDX-License-Identifier: BSD-2-Clause
#include "model/gone_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint64_t lo;
	uint64_t hi;
	/* The only two changes; or the first one of several, and the last one. */
	uint64_t since_ns;
	uint64_t gone_ns;
	bool several;
};

struct gone_code {
	struct account *account;
	size_t n;
	struct entry
		entries[GONE_CODE_MAX + 1]; /* ascending by lo; one place may have had several */
};

static struct gone_code *new_of(struct account *account)
{
	struct gone_code *gone = calloc(1, sizeof(*gone));

	if (!gone)
		return NULL;
	gone->account = account ? account__ref(account) : NULL;
	account__take(account, BUDGET_LEDGERS, sizeof(*gone));
	return gone;
}

/* Puts two neighbours into one entry. */
static void merge(struct gone_code *gone, size_t at)
{
	struct entry *to = &gone->entries[at];
	const struct entry *from = to + 1;

	to->hi = from->hi > to->hi ? from->hi : to->hi;
	/* The pieces of one mapping, unmapped at once, are no more than that. */
	to->several |=
		from->several || from->since_ns != to->since_ns || from->gone_ns != to->gone_ns;
	to->since_ns = from->since_ns < to->since_ns ? from->since_ns : to->since_ns;
	to->gone_ns = from->gone_ns > to->gone_ns ? from->gone_ns : to->gone_ns;
	gone->n--;
	memmove(to + 1, to + 2, (gone->n - at - 1) * sizeof(*to));
}

static uint64_t gap_behind(const struct entry *entry)
{
	return entry[1].lo > entry->hi ? entry[1].lo - entry->hi : 0;
}

static size_t nearest_to_its_next(const struct gone_code *gone)
{
	size_t at = 0;

	for (size_t i = 1; i + 1 < gone->n; i++) {
		if (gap_behind(&gone->entries[i]) < gap_behind(&gone->entries[at]))
			at = i;
	}
	return at;
}

int gone_code__add(struct gone_code **place, struct account *account, uint64_t lo, uint64_t hi,
		   uint64_t since_ns, uint64_t gone_ns)
{
	struct gone_code *gone = *place;
	size_t at;

	if (!gone)
		gone = *place = new_of(account);
	if (!gone)
		return -ENOMEM;
	for (at = gone->n; at > 0 && gone->entries[at - 1].lo > lo; at--)
		gone->entries[at] = gone->entries[at - 1];
	gone->entries[at] = (struct entry){lo, hi, since_ns, gone_ns, false};
	if (++gone->n > GONE_CODE_MAX)
		merge(gone, nearest_to_its_next(gone));
	return 0;
}

static bool is_within(uint64_t when, uint64_t from_ns, uint64_t until_ns)
{
	return when > from_ns && when <= until_ns;
}

static bool entry_changed(const struct entry *entry, uint64_t from_ns, uint64_t until_ns)
{
	if (entry->several)
		return entry->since_ns <= until_ns && entry->gone_ns > from_ns;
	return is_within(entry->since_ns, from_ns, until_ns) ||
	       is_within(entry->gone_ns, from_ns, until_ns);
}

bool gone_code__changed(const struct gone_code *gone, uint64_t addr, uint64_t from_ns,
			uint64_t until_ns)
{
	for (size_t i = 0; gone && until_ns > from_ns && i < gone->n; i++) {
		const struct entry *entry = &gone->entries[i];

		if (entry->lo <= addr && addr < entry->hi &&
		    entry_changed(entry, from_ns, until_ns))
			return true;
	}
	return false;
}

struct gone_code *gone_code__copy(const struct gone_code *gone)
{
	struct gone_code *copy = gone ? new_of(gone->account) : NULL;

	if (copy) {
		copy->n = gone->n;
		memcpy(copy->entries, gone->entries, gone->n * sizeof(gone->entries[0]));
	}
	return copy;
}

void gone_code__free(struct gone_code **gone)
{
	if (!*gone)
		return;
	account__put((*gone)->account, BUDGET_LEDGERS, sizeof(**gone));
	account__unref((*gone)->account);
	free(*gone);
	*gone = NULL;
}
