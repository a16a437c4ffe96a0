// SPDX-License-Identifier: BSD-2-Clause
#include "model/touches_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/account.h"
#include "util/dict.h"
#include "util/refs.h"

#define CHUNK_MAX 64
#define CHUNK_MIN 4
#define INDEX_MIN 4

static size_t chunk_bytes(size_t room)
{
	return sizeof(struct chunk) + room * sizeof(struct touch);
}

static size_t index_bytes(size_t room)
{
	return sizeof(struct touch_index) + room * sizeof(struct chunk *);
}

static struct account *charge(struct account *account, size_t bytes)
{
	if (!account)
		return NULL;
	account__take(account, BUDGET_TOUCHES, bytes);
	return account__ref(account);
}

static void discharge(struct account *account, size_t bytes)
{
	account__put(account, BUDGET_TOUCHES, bytes);
	account__unref(account);
}

static struct chunk *chunk_new(size_t room, struct account *account)
{
	struct chunk *chunk = malloc(chunk_bytes(room));

	if (chunk)
		*chunk = (struct chunk){
			.refs = 1, .room = room, .account = charge(account, chunk_bytes(room))};
	return chunk;
}

static void chunk_unref(struct chunk *chunk)
{
	if (!refs__put(&chunk->refs))
		return;
	for (size_t i = 0; i < chunk->n; i++)
		trace__unref(chunk->at[i].trace);
	discharge(chunk->account, chunk_bytes(chunk->room));
	free(chunk);
}

static struct touch_index *index_new(size_t room, struct account *account)
{
	struct touch_index *index = malloc(index_bytes(room));

	if (index)
		*index = (struct touch_index){
			.refs = 1, .room = room, .account = charge(account, index_bytes(room))};
	return index;
}

static void index_free(struct touch_index *index)
{
	discharge(index->account, index_bytes(index->room));
	free(index);
}

static void index_unref(struct touch_index *index)
{
	if (!index || !refs__put(&index->refs))
		return;
	for (size_t i = 0; i < index->n; i++)
		chunk_unref(index->chunks[i]);
	index_free(index);
}

struct touches touches__copy(const struct touches *touches)
{
	if (touches->index)
		refs__get(&touches->index->refs);
	return *touches;
}

void touches__free(struct touches *touches)
{
	index_unref(touches->index);
	touches->index = NULL;
}

size_t touches__count(const struct touches *touches)
{
	return touches->index ? touches->index->total : 0;
}

/* Makes the index this one's alone, with room for so many chunks. */
static int own_index(struct touches *touches, size_t room)
{
	struct touch_index *old = touches->index, *index;
	size_t more = old && old->n > INDEX_MIN ? old->n : INDEX_MIN;

	if (old && refs__sole(&old->refs) && old->room >= room)
		return 0;
	while (more < room)
		more += more / 2;
	index = index_new(more, touches->account);
	if (!index)
		return -ENOMEM;
	if (old) {
		index->n = old->n;
		index->total = old->total;
		memcpy(index->chunks, old->chunks, old->n * sizeof(*old->chunks));
		if (refs__sole(&old->refs)) {
			index_free(old);
		} else {
			for (size_t i = 0; i < index->n; i++)
				refs__get(&index->chunks[i]->refs);
			index_unref(old);
		}
	}
	touches->index = index;
	return 0;
}

/* The same of a chunk, of an index that is: NULL when out of memory. */
static struct chunk *own_chunk(struct touches *touches, size_t i, size_t room)
{
	struct chunk *old = touches->index->chunks[i], *chunk;
	size_t more = old->room;

	if (refs__sole(&old->refs) && old->room >= room)
		return old;
	while (more < room)
		more *= 2;
	chunk = chunk_new(more, touches->account);
	if (!chunk)
		return NULL;
	chunk->n = old->n;
	memcpy(chunk->at, old->at, old->n * sizeof(*old->at));
	for (size_t j = 0; j < chunk->n; j++)
		trace__ref(chunk->at[j].trace);
	touches->index->chunks[i] = chunk;
	chunk_unref(old);
	return chunk;
}

/* The chunk that addr is in, or would be; index->n > 0. */
static size_t find_chunk(const struct touch_index *index, uint64_t addr)
{
	size_t low = 0, high = index->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (index->chunks[middle]->at[0].addr <= addr)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Its first sample at addr or behind; n: all are before. */
static size_t find_touch(const struct chunk *chunk, uint64_t addr)
{
	size_t low = 0, high = chunk->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chunk->at[middle].addr < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_chunk(struct touches *touches, size_t i, struct chunk *chunk)
{
	int err = own_index(touches, (touches->index ? touches->index->n : 0) + 1);
	struct touch_index *index = touches->index;

	if (err)
		return err;
	memmove(&index->chunks[i + 1], &index->chunks[i], (index->n - i) * sizeof(*index->chunks));
	index->chunks[i] = chunk;
	index->n++;
	return 0;
}

static int split(struct touches *touches, size_t i)
{
	struct chunk *lower = own_chunk(touches, i, 0), *upper;
	size_t half = lower ? lower->n / 2 : 0;

	upper = lower ? chunk_new(CHUNK_MAX, touches->account) : NULL;
	if (!upper)
		return -ENOMEM;
	upper->n = lower->n - half;
	memcpy(upper->at, &lower->at[half], upper->n * sizeof(*upper->at));
	lower->n = half;
	if (!insert_chunk(touches, i + 1, upper))
		return 0;
	lower->n += upper->n; /* as it was */
	upper->n = 0;
	chunk_unref(upper);
	return -ENOMEM;
}

static int add_chunk(struct touches *touches, size_t i, const struct touch *touch)
{
	struct chunk *chunk = chunk_new(CHUNK_MIN, touches->account);

	if (!chunk || insert_chunk(touches, i, chunk)) {
		if (chunk)
			chunk_unref(chunk);
		return -ENOMEM;
	}
	chunk->at[0] = *touch;
	chunk->n = 1;
	return 0;
}

static int insert(struct touches *touches, const struct touch *touch)
{
	struct chunk *chunk;
	size_t i, j;

	if (!touches__count(touches))
		return add_chunk(touches, 0, touch);
	if (own_index(touches, 0))
		return -ENOMEM;
	i = find_chunk(touches->index, touch->addr);
	chunk = touches->index->chunks[i];
	/* Mostly memory is touched upwards: full chunks stay full. */
	if (chunk->n == CHUNK_MAX && chunk->at[CHUNK_MAX - 1].addr < touch->addr)
		return add_chunk(touches, i + 1, touch);
	if (chunk->n == CHUNK_MAX) {
		if (split(touches, i))
			return -ENOMEM;
		i = find_chunk(touches->index, touch->addr);
	}
	chunk = own_chunk(touches, i, touches->index->chunks[i]->n + 1);
	if (!chunk)
		return -ENOMEM;
	j = find_touch(chunk, touch->addr);
	memmove(&chunk->at[j + 1], &chunk->at[j], (chunk->n - j) * sizeof(*chunk->at));
	chunk->at[j] = *touch;
	chunk->n++;
	return 0;
}

/* --- changing and taking out -------------------------------------------------------------- */

/* Takes the samples of the chunk behind `left`, which is this index's alone; false: out of memory.
 */
static bool merge(struct touches *touches, size_t left, struct chunk *right)
{
	struct chunk *chunk = own_chunk(touches, left, touches->index->chunks[left]->n + right->n);

	if (!chunk)
		return false;
	for (size_t j = 0; j < right->n; j++) {
		trace__ref(right->at[j].trace);
		chunk->at[chunk->n++] = right->at[j];
	}
	chunk_unref(right);
	return true;
}

/* Chunks of which nothing stayed go, and those of which little did become one. */
static void tidy(struct touches *touches)
{
	struct touch_index *index = touches->index;
	size_t n = 0;

	for (size_t i = 0; i < index->n; i++) {
		struct chunk *chunk = index->chunks[i];

		if (!chunk->n)
			chunk_unref(chunk);
		else if (!n || index->chunks[n - 1]->n + chunk->n > CHUNK_MAX / 2 ||
			 !merge(touches, n - 1, chunk))
			index->chunks[n++] = chunk;
	}
	index->n = n;
}

static int edit_chunk(struct touches *touches, size_t i, uint64_t lo, uint64_t hi, edit_fn *edit,
		      void *ctx)
{
	const struct chunk *old = touches->index->chunks[i];
	size_t from = find_touch(old, lo), to = find_touch(old, hi), n = from;
	struct touch edited[CHUNK_MAX];
	enum edit edits[CHUNK_MAX];
	bool any = false;
	struct chunk *chunk;

	for (size_t j = from; j < to; j++) {
		edited[j] = old->at[j];
		edits[j] = edit(&edited[j], ctx);
		any |= edits[j] != EDIT_NONE;
	}
	if (!any)
		return 0;
	if (own_index(touches, 0))
		return -ENOMEM;
	chunk = own_chunk(touches, i, 0);
	if (!chunk)
		return -ENOMEM;
	for (size_t j = from; j < to; j++) {
		if (edits[j] == EDIT_GONE)
			trace__unref(edited[j].trace);
		else
			chunk->at[n++] = edited[j];
	}
	memmove(&chunk->at[n], &chunk->at[to], (chunk->n - to) * sizeof(*chunk->at));
	touches->index->total -= to - n;
	chunk->n -= to - n;
	return 0;
}

void touches__edit_each(struct touches *touches, uint64_t lo, uint64_t hi, edit_fn *edit, void *ctx)
{
	size_t before = touches__count(touches);
	int err = 0;

	if (!before || lo >= hi)
		return;
	for (size_t i = find_chunk(touches->index, lo);
	     !err && i < touches->index->n && touches->index->chunks[i]->at[0].addr < hi; i++)
		err = edit_chunk(touches, i, lo, hi, edit, ctx);
	if (err) /* none is better than a wrong one */
		touches__free(touches);
	else if (touches__count(touches) != before)
		tidy(touches);
}

static enum edit drop_old(struct touch *touch, void *ctx)
{
	return touch->when_ns <= *(uint64_t *)ctx ? EDIT_GONE : EDIT_NONE;
}

void touches__erase(struct touches *touches, uint64_t lo, uint64_t hi, uint64_t until)
{
	touches__edit_each(touches, lo, hi, drop_old, &until);
}

static int add_expected(const struct touch *touch, void *ctx)
{
	double *sum = ctx;

	*sum += touch->faults < sum[1] ? touch->faults / sum[1] : 1;
	return 0;
}

/* One that stands for less than *ctx stays with that probability, and stands for so much then. The
 * coin is the page and the moment: the same again for the same samples. */
static enum edit thin_one(struct touch *touch, void *ctx)
{
	uint64_t most = *(uint64_t *)ctx, coin = dict__mix(touch->addr, touch->when_ns);

	if (touch->faults >= most)
		return EDIT_NONE;
	if ((dict__mix(coin, most) >> 16) % most >= touch->faults)
		return EDIT_GONE;
	touch->faults = most;
	return EDIT_CHANGED;
}

static void thin(struct touches *touches)
{
	double expected[2] = {TOUCHES_MAX, 1}; /* how many stay, of those that stand for how many */
	uint64_t most;

	for (most = 1; expected[0] > 0.5 * TOUCHES_MAX && most < UINT32_MAX / 2; most *= 2) {
		expected[0] = 0;
		expected[1] = most * 2;
		touches__each(touches, 0, UINT64_MAX, add_expected, expected);
	}
	touches__edit_each(touches, 0, UINT64_MAX, thin_one, &most);
}

bool touches__find(const struct touches *touches, uint64_t addr, size_t *ret_chunk, size_t *ret_at)
{
	const struct chunk *chunk;

	if (!touches__count(touches))
		return false;
	*ret_chunk = find_chunk(touches->index, addr);
	chunk = touches->index->chunks[*ret_chunk];
	*ret_at = find_touch(chunk, addr);
	return *ret_at < chunk->n && chunk->at[*ret_at].addr == addr;
}

bool touches__has(const struct touches *touches, uint64_t addr, uint64_t since)
{
	size_t i, j;

	return touches__find(touches, addr, &i, &j) &&
	       touches->index->chunks[i]->at[j].when_ns >= since;
}

void touches__add(struct touches *touches, const struct touch *touch, uint64_t since)
{
	if (touches__has(touches, touch->addr, since))
		return;
	touches__erase(touches, touch->addr, touch->addr + 1, UINT64_MAX);
	if (insert(touches, touch))
		return;
	trace__ref(touch->trace);
	if (++touches->index->total > TOUCHES_MAX)
		thin(touches);
}

struct moving {
	struct touches *to;
	uint64_t distance;
};

static int move_one(const struct touch *touch, void *ctx)
{
	struct moving *moving = ctx;
	struct touch moved = *touch;

	moved.addr += moving->distance;
	touches__add(moving->to, &moved, 0);
	return 0;
}

void touches__move(struct touches *touches, const struct touches *from, uint64_t lo, uint64_t hi,
		   uint64_t distance)
{
	struct touches source = touches__copy(from);
	struct moving moving = {touches, distance};

	touches__each(&source, lo, hi, move_one, &moving);
	touches__free(&source);
}

int touches__each(const struct touches *touches, uint64_t lo, uint64_t hi, touch_visit_fn *visit,
		  void *ctx)
{
	const struct touch_index *index = touches->index;
	int result = 0;

	if (!touches__count(touches))
		return 0;
	for (size_t i = find_chunk(index, lo); i < index->n; i++) {
		const struct chunk *chunk = index->chunks[i];

		for (size_t j = find_touch(chunk, lo); j < chunk->n; j++) {
			if (chunk->at[j].addr >= hi)
				return 0;
			result = visit(&chunk->at[j], ctx);
			if (result)
				return result;
		}
	}
	return 0;
}
