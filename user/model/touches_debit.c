// SPDX-License-Identifier: BSD-2-Clause
/* What copies take from the samples near them. */
#include "model/touches_parts.h"

#define DEBITS_MAX 64 /* samples that one takes from */

struct debits {
	uint64_t since;
	uint64_t addr;
	uint64_t page_size;
	uint32_t left; /* pages */
	size_t n;
	struct touch to[DEBITS_MAX]; /* as they will be */
};

struct place {
	size_t chunk;
	size_t at;
};

static const struct touch *touch_at(const struct touch_index *index, struct place place)
{
	return &index->chunks[place.chunk]->at[place.at];
}

static bool go_down(const struct touch_index *index, struct place *place)
{
	if (place->at) {
		place->at--;
		return true;
	}
	if (!place->chunk)
		return false;
	place->at = index->chunks[--place->chunk]->n - 1;
	return true;
}

static bool go_up(const struct touch_index *index, struct place *place)
{
	if (++place->at < index->chunks[place->chunk]->n)
		return true;
	place->at = 0;
	return ++place->chunk < index->n;
}

static void debit_one(struct debits *debits, const struct touch *touch)
{
	uint64_t distance = touch->addr > debits->addr ? touch->addr - debits->addr
						       : debits->addr - touch->addr;
	struct touch *to;

	if (touch->when_ns >= debits->since ||
	    distance / debits->page_size > 2ULL * (touch->faults - 1))
		return;
	to = &debits->to[debits->n++];
	*to = *touch;
	to->faults -= touch->faults < debits->left ? touch->faults : debits->left;
	debits->left -= touch->faults - to->faults;
}

static enum edit apply_debit(struct touch *touch, void *ctx)
{
	const struct debits *debits = ctx;

	for (size_t i = 0; i < debits->n; i++) {
		if (debits->to[i].addr != touch->addr)
			continue;
		touch->faults = debits->to[i].faults;
		return touch->faults ? EDIT_CHANGED : EDIT_GONE;
	}
	return EDIT_NONE;
}

static void put_aside(struct touches *touches, struct touch touch, uint64_t page_size)
{
	trace__ref(touch.trace);
	touches__erase(touches, touch.addr, touch.addr + 1, UINT64_MAX);
	touch.addr += page_size;
	touches__add(touches, &touch, 0);
	trace__unref(touch.trace);
}

void touches__debit(struct touches *touches, uint64_t addr, uint32_t pages, uint64_t since,
		    uint64_t page_size)
{
	const struct touch_index *index = touches->index;
	struct debits debits = {
		.since = since, .addr = addr, .page_size = page_size, .left = pages};
	struct place up = {0}, down;
	uint64_t lo = addr, hi = addr;
	bool has_up, has_down;

	if (!touches__count(touches))
		return;
	touches__find(touches, addr, &up.chunk, &up.at);
	down = up;
	has_up = up.at < index->chunks[up.chunk]->n ||
		 (--up.at, go_up(index, &up)); /* behind the last of its chunk */
	has_down = go_down(index, &down);
	for (size_t i = 0; i < DEBITS_MAX && debits.left && (has_up || has_down); i++) {
		bool upwards = has_up && (!has_down || touch_at(index, up)->addr - addr <=
							       addr - touch_at(index, down)->addr);
		const struct touch *touch = touch_at(index, upwards ? up : down);

		debit_one(&debits, touch);
		lo = touch->addr < lo ? touch->addr : lo;
		hi = touch->addr > hi ? touch->addr : hi;
		if (upwards)
			has_up = go_up(index, &up);
		else
			has_down = go_down(index, &down);
	}
	if (!debits.n)
		return;
	touches__edit_each(touches, lo, hi + 1, apply_debit, &debits);
	if (debits.to[0].addr == addr && debits.to[0].faults)
		put_aside(touches, debits.to[0], page_size);
}
