// SPDX-License-Identifier: BSD-2-Clause
#include "model/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/account.h"
#include "model/name.h"
#include "util/refs.h"

struct ledger_node {
	unsigned refs;
	uint32_t priority; /* a parent's is not smaller than its children's */
	uint32_t count;	   /* ranges in this subtree */
	struct ledger_node *left;
	struct ledger_node *right;
	struct ledger_range range;
	struct account *account; /* NULL: of none */
};

/*
 * A change walks at most ten paths from root to leaf and copies each node at most once per walk.
 * A treap of 2^18 random priorities deeper than 80 does not occur (the expected height is about
 * 45, and the tail falls off exponentially).
 */
#define POOL_NODES 800

struct ledger_pool {
	struct ledger_node *spare; /* linked through left */
	size_t n;
	uint32_t random;
	struct account *account; /* of the ledger that is being changed; borrowed */
};

struct ledger_pool *ledger_pool__new(void)
{
	struct ledger_pool *pool = calloc(1, sizeof(*pool));

	if (pool)
		pool->random = 0x9e3779b9;
	return pool;
}

void ledger_pool__free(struct ledger_pool *pool)
{
	struct ledger_node *node, *next;

	if (!pool)
		return;
	for (node = pool->spare; node; node = next) {
		next = node->left;
		free(node);
	}
	free(pool);
}

/* First of all that changes a ledger. */
static int pool_fill(struct ledger_pool *pool, const struct ledger *ledger)
{
	pool->account = ledger->account;
	while (pool->n < POOL_NODES) {
		struct ledger_node *node = malloc(sizeof(*node));

		if (!node)
			return -ENOMEM;
		node->left = pool->spare;
		pool->spare = node;
		pool->n++;
	}
	return 0;
}

/* Only after pool_fill(), which is why it cannot fail. */
static struct ledger_node *pool_take(struct ledger_pool *pool)
{
	struct ledger_node *node = pool->spare;

	pool->spare = node->left;
	pool->n--;
	return node;
}

static void node_free(struct ledger_node *node)
{
	account__put(node->account, BUDGET_LEDGERS, LEDGER_RANGE_BYTES);
	account__unref(node->account);
	record__unref(node->range.record);
	name__unref(node->range.name);
	free(node);
}

static void node_unref(struct ledger_node *node)
{
	/* Down the right by iteration, down the left by recursion: as deep as the treap. */
	while (node && refs__put(&node->refs)) {
		struct ledger_node *right = node->right;

		node_unref(node->left);
		node_free(node);
		node = right;
	}
}

static struct ledger_node *node_ref(struct ledger_node *node)
{
	if (node)
		refs__get(&node->refs);
	return node;
}

static void charge(const struct ledger_pool *pool, struct ledger_node *node)
{
	if (!pool->account)
		return;
	node->account = account__ref(pool->account);
	account__take(node->account, BUDGET_LEDGERS, LEDGER_RANGE_BYTES);
}

static struct ledger_node *node_new(struct ledger_pool *pool, const struct ledger_range *range)
{
	struct ledger_node *node = pool_take(pool);

	/* xorshift32 (Marsaglia 2003): all a treap asks is that priorities look random. */
	pool->random ^= pool->random << 13;
	pool->random ^= pool->random >> 17;
	pool->random ^= pool->random << 5;
	*node = (struct ledger_node){
		.refs = 1, .priority = pool->random, .count = 1, .range = *range};
	record__ref(range->record);
	name__ref(range->name);
	charge(pool, node);
	return node;
}

/* Takes the caller's reference to a node and gives one to a node that has no other. */
static struct ledger_node *node_own(struct ledger_pool *pool, struct ledger_node *node)
{
	struct ledger_node *copy;

	if (refs__sole(&node->refs))
		return node;
	copy = pool_take(pool);
	/* Field by field: the count may go down on another thread meanwhile. */
	*copy = (struct ledger_node){
		.refs = 1,
		.priority = node->priority,
		.count = node->count,
		.left = node_ref(node->left),
		.right = node_ref(node->right),
		.range = node->range,
	};
	record__ref(copy->range.record);
	name__ref(copy->range.name);
	charge(pool, copy);
	node_unref(node);
	return copy;
}

static uint32_t count_of(const struct ledger_node *node)
{
	return node ? node->count : 0;
}

static void recount(struct ledger_node *node)
{
	node->count = 1 + count_of(node->left) + count_of(node->right);
}

/* Consumes node: ranges that start below key go to low, the others to high. */
static void split(struct ledger_pool *pool, struct ledger_node *node, uint64_t key,
		  struct ledger_node **low, struct ledger_node **high)
{
	if (!node) {
		*low = *high = NULL;
		return;
	}
	node = node_own(pool, node);
	if (node->range.start < key) {
		split(pool, node->right, key, &node->right, high);
		*low = node;
	} else {
		split(pool, node->left, key, low, &node->left);
		*high = node;
	}
	recount(node);
}

/* Consumes both; every range of low lies before every range of high. */
static struct ledger_node *merge(struct ledger_pool *pool, struct ledger_node *low,
				 struct ledger_node *high)
{
	struct ledger_node *top;

	if (!low || !high)
		return low ? low : high;
	if (low->priority >= high->priority) {
		top = node_own(pool, low);
		top->right = merge(pool, top->right, high);
	} else {
		top = node_own(pool, high);
		top->left = merge(pool, low, top->left);
	}
	recount(top);
	return top;
}

/* The range that ends last among those that start below addr. */
static const struct ledger_range *last_before(const struct ledger_node *node, uint64_t addr)
{
	const struct ledger_range *best = NULL;

	while (node) {
		if (node->range.start < addr) {
			best = &node->range;
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return best;
}

static const struct ledger_range *starting_at(const struct ledger_node *node, uint64_t addr)
{
	while (node && node->range.start != addr)
		node = addr < node->range.start ? node->left : node->right;
	return node ? &node->range : NULL;
}

/* Sees to it that no range lies across addr. */
static void cut(struct ledger_pool *pool, struct ledger_node **root, uint64_t addr)
{
	const struct ledger_range *across = last_before(*root, addr);
	struct ledger_node *low, *mid, *high;
	struct ledger_range tail;

	if (!across || across->end <= addr)
		return;
	tail = *across;
	tail.start = addr;
	split(pool, *root, across->start, &low, &mid);
	split(pool, mid, addr, &mid, &high);
	mid = node_own(pool, mid);
	high = merge(pool, node_new(pool, &tail), high);
	mid->range.end = addr;
	*root = merge(pool, merge(pool, low, mid), high);
}

/* Puts node, which may be NULL, in the place of all that is in [lo, hi). */
static void replace(struct ledger_pool *pool, struct ledger_node **root, uint64_t lo, uint64_t hi,
		    struct ledger_node *node)
{
	struct ledger_node *low, *mid, *high;

	cut(pool, root, lo);
	cut(pool, root, hi);
	split(pool, *root, lo, &low, &mid);
	split(pool, mid, hi, &mid, &high);
	node_unref(mid);
	*root = merge(pool, merge(pool, low, node), high);
}

struct ledger ledger__copy(const struct ledger *ledger)
{
	return (struct ledger){.root = node_ref(ledger->root), .account = ledger->account};
}

void ledger__free(struct ledger *ledger)
{
	node_unref(ledger->root);
	ledger->root = NULL;
}

size_t ledger__count(const struct ledger *ledger)
{
	return count_of(ledger->root);
}

static size_t count_below(const struct ledger_node *node, uint64_t addr)
{
	size_t n = 0;

	while (node) {
		if (node->range.start < addr) {
			n += 1 + count_of(node->left);
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return n;
}

size_t ledger__count_within(const struct ledger *ledger, uint64_t lo, uint64_t hi)
{
	return count_below(ledger->root, hi) - count_below(ledger->root, lo);
}

static bool same_name(struct name *a, struct name *b)
{
	a = name__resolved(a);
	b = name__resolved(b);
	if (a && b && (a->late || b->late))
		return a == b;
	return a == b ||
	       (a && b && a->by == b->by && a->trace == b->trace && strcmp(a->text, b->text) == 0);
}

static bool continues(const struct ledger_range *a, const struct ledger_range *b)
{
	return a && a->record == b->record && same_name(a->name, b->name);
}

/* As old as the older of the two, so that what is forgotten of either is forgotten of both; named
 * when the later one was, so that no late name gets in. */
static void extend(struct ledger_range *whole, uint64_t lo, uint64_t hi,
		   const struct ledger_range *neighbour)
{
	whole->start = lo;
	whole->end = hi;
	if (neighbour->touched_ns < whole->touched_ns)
		whole->touched_ns = neighbour->touched_ns;
	if (neighbour->named_ns > whole->named_ns)
		whole->named_ns = neighbour->named_ns;
}

int ledger__put(struct ledger *ledger, struct ledger_pool *pool, const struct ledger_range *range)
{
	struct ledger_range whole = *range;
	const struct ledger_range *before, *after;
	int err;

	if (ledger__count(ledger) >= LEDGER_MAX_RANGES)
		return -ENOSPC;
	err = pool_fill(pool, ledger);
	if (err)
		return err;

	before = last_before(ledger->root, range->start);
	if (continues(before, range) && before->end >= range->start)
		extend(&whole, before->start, whole.end, before);
	after = starting_at(ledger->root, range->end);
	if (continues(after, range))
		extend(&whole, whole.start, after->end, after);
	replace(pool, &ledger->root, whole.start, whole.end, node_new(pool, &whole));
	return 0;
}

int ledger__erase(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi)
{
	int err = pool_fill(pool, ledger);

	if (!err)
		replace(pool, &ledger->root, lo, hi, NULL);
	return err;
}

static int each(const struct ledger_node *node, uint64_t lo, uint64_t hi, ledger_visit_fn *visit,
		void *ctx)
{
	int stop;

	if (!node)
		return 0;
	if (node->range.start > lo) {
		stop = each(node->left, lo, hi, visit, ctx);
		if (stop)
			return stop;
	}
	if (node->range.start < hi && node->range.end > lo) {
		struct ledger_range clipped = node->range;

		if (clipped.start < lo)
			clipped.start = lo;
		if (clipped.end > hi)
			clipped.end = hi;
		stop = visit(&clipped, ctx);
		if (stop)
			return stop;
	}
	return node->range.start < hi ? each(node->right, lo, hi, visit, ctx) : 0;
}

int ledger__each(const struct ledger *ledger, uint64_t lo, uint64_t hi, ledger_visit_fn *visit,
		 void *ctx)
{
	return each(ledger->root, lo, hi, visit, ctx);
}

/* Every change leaves the nodes of a copy as they are. */
int ledger__rewrite(struct ledger *ledger, uint64_t lo, uint64_t hi, ledger_visit_fn *visit,
		    void *ctx)
{
	struct ledger before = ledger__copy(ledger);
	int stop = ledger__each(&before, lo, hi, visit, ctx);

	ledger__free(&before);
	return stop;
}

struct erasing {
	struct ledger *ledger;
	struct ledger_pool *pool;
	uint64_t until;
};

static int erase_one(const struct ledger_range *range, void *ctx)
{
	struct erasing *e = ctx;

	if (range->touched_ns > e->until)
		return 0;
	return ledger__erase(e->ledger, e->pool, range->start, range->end);
}

int ledger__erase_older(struct ledger *ledger, struct ledger_pool *pool, uint64_t lo, uint64_t hi,
			uint64_t until)
{
	struct erasing e = {ledger, pool, until};

	return ledger__rewrite(ledger, lo, hi, erase_one, &e);
}
