// SPDX-License-Identifier: BSD-2-Clause
#include "model/known_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/cleanup.h"
#include "util/dict.h"
#include "util/pac.h"
#include "util/pieces.h"
#include "wire/python_frames.h"

/* What decides first, as indices of struct mp_stack_copy's regs: the instruction that made the call
 * (on arm64 also where it returns to), then the frame pointer and everything else that calls
 * preserve, where that points into the stack. */
#if defined(__x86_64__)
static const unsigned char code_registers[] = {16};
static const unsigned char saved_registers[] = {6, 3, 12, 13, 14, 15};
enum { REG_SP = 7 };
#elif defined(__aarch64__)
static const unsigned char code_registers[] = {32, 30};
static const unsigned char saved_registers[] = {29, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28};
enum { REG_SP = 31 };
#endif

/* How a word counts. */
enum kind {
	WORD_CODE,	/* as it is */
	WORD_STACK,	/* as its place in the copy (util/pieces.h) */
	WORD_REGISTERS, /* it is none: which of the saved registers point into the stack, as bits */
	WORD_PYTHON,	/* it is none: the digest of a frame of Python */
};

struct key {
	uint64_t value;
	uint32_t parent : 30; /* its number + 1; 0: none */
	enum kind kind : 2;
} __attribute__((packed, aligned(4)));

struct node {
	struct key key;
	uint32_t reads;	     /* the offset of the word that leads on, + 1; 0: none does */
	struct trace *trace; /* of the stack that ends here, if one does */
};
_Static_assert(sizeof(struct node) == 24, "nodes are many");

/* By frame pointers: the instruction pointers are all there is, and frames of Python. */
struct chain {
	struct trace *trace;
	const uint8_t *ips;
	size_t bytes;
	uint64_t python; /* the digest of all of them; 0: there are none */
};

struct known_stacks {
	unsigned refs;
	struct dict nodes;
	struct dict chains;
	uint64_t *pages; /* of code that known stacks run through: their numbers, ascending */
	size_t n_pages;
	size_t pages_room;
	uint64_t newest_ns;
	size_t bytes;
	struct known_stacks_pool *pool;
	struct account *account; /* NULL: of none */
	/* Those that pass; NULL: none. */
	struct known_stacks *passing;
	uint64_t first_ns; /* when the first one of them was taken */
};

static uint64_t hash_node(const void *entry, uint64_t secret)
{
	const struct key *key = &((const struct node *)entry)->key;

	return dict__mix(dict__mix(secret, key->value), (uint64_t)key->parent << 2 | key->kind);
}

static bool same_node(const void *a, const void *b)
{
	const struct key *x = &((const struct node *)a)->key, *y = &((const struct node *)b)->key;

	return x->value == y->value && x->parent == y->parent && x->kind == y->kind;
}

static uint64_t hash_chain(const void *entry, uint64_t secret)
{
	const struct chain *chain = entry;
	uint64_t hash = dict__mix(dict__mix(secret, chain->bytes), chain->python), ip;

	for (size_t i = 0; i < chain->bytes; i += sizeof(ip)) {
		memcpy(&ip, chain->ips + i, sizeof(ip));
		hash = dict__mix(hash, ip);
	}
	return hash;
}

static bool same_chain(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	return x->bytes == y->bytes && x->python == y->python && !memcmp(x->ips, y->ips, x->bytes);
}

static const struct dict_type nodes_by_key = {sizeof(struct node), hash_node, same_node};
static const struct dict_type chains_by_ips = {sizeof(struct chain), hash_chain, same_chain};

unsigned known_stacks__sp_register(void)
{
	return REG_SP;
}

struct known_stacks *known_stacks__new(struct known_stacks_pool *pool, struct account *account)
{
	struct known_stacks *known = calloc(1, sizeof(*known));

	if (!known)
		return NULL;
	known->refs = 1;
	known->nodes.type = &nodes_by_key;
	known->chains.type = &chains_by_ips;
	known->pool = pool;
	known->account = account ? account__ref(account) : NULL;
	return known;
}

struct known_stacks *known_stacks__ref(struct known_stacks *known)
{
	known->refs++;
	return known;
}

static size_t count_of(const struct known_stacks *known)
{
	return known->nodes.n + known->chains.n + known->n_pages;
}

void known_stacks__unref(struct known_stacks *known)
{
	const struct node *nodes;
	const struct chain *chains;

	if (!known || --known->refs)
		return;
	known_stacks__unref(known->passing);
	known->pool->bytes -= known->bytes;
	account__put(known->account, BUDGET_KNOWN_STACKS, known->bytes);
	account__unref(known->account);
	nodes = known->nodes.entries;
	for (size_t i = 0; i < known->nodes.n; i++)
		trace__unref(nodes[i].trace);
	chains = known->chains.entries;
	for (size_t i = 0; i < known->chains.n; i++) {
		trace__unref(chains[i].trace);
		free((void *)chains[i].ips);
	}
	dict__free(&known->nodes);
	dict__free(&known->chains);
	free(known->pages);
	free(known);
}

bool known_stacks__is_shared(const struct known_stacks *known)
{
	return known->refs > 1;
}

/* What each takes with its place in a table, half of which may be empty, and a node or a chain with
 * its trace, as malloc rounds it. */
#define NODE_BYTES  80
#define CHAIN_BYTES 112
#define PAGE_BYTES  12

size_t known_stacks_pool__max(const struct known_stacks_pool *pool)
{
	return pool->max ?: KNOWN_STACKS_MAX_BYTES;
}

static bool has_room(const struct known_stacks *known, size_t bytes)
{
	const struct known_stacks_pool *pool = known->pool;
	size_t own =
		known->account ? account__bytes(known->account, BUDGET_KNOWN_STACKS) : known->bytes;

	return count_of(known) < KNOWN_STACKS_MAX_NODES &&
	       budget__is_fair(own, bytes, pool->bytes, known_stacks_pool__max(pool));
}

static void charge(struct known_stacks *known, size_t bytes)
{
	known->bytes += bytes;
	known->pool->bytes += bytes;
	account__take(known->account, BUDGET_KNOWN_STACKS, bytes);
}

#define CODE_PAGE 4096

/* The place of the first page from `number` on. */
static size_t find_page(const struct known_stacks *known, uint64_t number)
{
	size_t lo = 0, hi = known->n_pages;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (known->pages[mid] < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool known_stacks__runs_through(const struct known_stacks *known, uint64_t addr, uint64_t len)
{
	size_t at = find_page(known, addr / CODE_PAGE);

	if (!len || addr + len - 1 < addr)
		return false;
	if (known->passing && known_stacks__runs_through(known->passing, addr, len))
		return true;
	return at < known->n_pages && known->pages[at] <= (addr + len - 1) / CODE_PAGE;
}

static bool mark_page(struct known_stacks *known, uint64_t number)
{
	size_t at = find_page(known, number);

	if (at < known->n_pages && known->pages[at] == number)
		return true;
	if (!has_room(known, PAGE_BYTES) ||
	    array__grow(&known->pages, &known->pages_room, known->n_pages, sizeof(*known->pages)))
		return false;
	memmove(&known->pages[at + 1], &known->pages[at],
		(known->n_pages - at) * sizeof(*known->pages));
	known->pages[at] = number;
	known->n_pages++;
	charge(known, PAGE_BYTES);
	return true;
}

/* The pages of a stack's frames; false when there is no room for them. */
static bool mark_pages(struct known_stacks *known, const struct unwound *unwound)
{
	for (size_t i = 0; i < unwound->n; i++) {
		if (!mark_page(known, (unwound->frames[i].ip - 1) / CODE_PAGE))
			return false;
	}
	return true;
}

struct stack_view {
	const struct mp_stack_copy *copy;
	struct pieces pieces;
};

static struct stack_view copied(const struct mp_stack *stack)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;

	return (struct stack_view){copy, pieces__of(copy, stack->bytes, copy->regs[REG_SP])};
}

static struct key key_of(const struct stack_view *s, uint32_t parent, uint64_t word)
{
	uint32_t offset;

	if (pieces__offset(&s->pieces, word, &offset))
		return (struct key){offset, parent, WORD_STACK};
	return (struct key){pac__strip(word), parent, WORD_CODE};
}

/* The other stack's: sp and fp, which count as saved registers do, and pc. */
#define OTHER_KEYS    3
#define REGISTER_KEYS (ARRAY_SIZE(code_registers) + 1 + ARRAY_SIZE(saved_registers) + OTHER_KEYS)

/* What the registers lead to, from the root on; the parents are for the caller to fill in. */
static size_t keys_of_registers(const struct stack_view *s, struct key *ret)
{
	const struct mp_stack_other *other = &s->copy->other;
	uint64_t saved[ARRAY_SIZE(saved_registers) + 2];
	size_t n_saved = 0, n = 0;
	struct key *which;

	for (size_t i = 0; i < ARRAY_SIZE(saved_registers); i++)
		saved[n_saved++] = s->copy->regs[saved_registers[i]];
	saved[n_saved++] = other->sp;
	saved[n_saved++] = other->fp;

	for (size_t i = 0; i < ARRAY_SIZE(code_registers); i++)
		ret[n++] = (struct key){pac__strip(s->copy->regs[code_registers[i]]), 0, WORD_CODE};
	which = &ret[n++];
	*which = (struct key){0, 0, WORD_REGISTERS};
	for (size_t i = 0; i < n_saved; i++) {
		struct key key = key_of(s, 0, saved[i]);

		if (key.kind != WORD_STACK)
			continue;
		which->value |= 1ULL << i;
		ret[n++] = key;
	}
	if (other->pc)
		ret[n++] = (struct key){other->pc, 0, WORD_CODE};
	return n;
}

/* A node's number + 1: what its children are found by. */
static uint32_t id_of(const struct known_stacks *known, const struct node *node)
{
	return node - (const struct node *)known->nodes.entries + 1;
}

static struct node *node_of(const struct known_stacks *known, uint32_t id)
{
	return (struct node *)known->nodes.entries + (id - 1);
}

static struct node *child(const struct known_stacks *known, const struct key *key)
{
	return dict__find(&known->nodes, &(struct node){.key = *key});
}

/* --- Python -------------------------------------------------------------------------------- */

static uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t word;

	if (!len)
		return dict__mix(digest, 0);
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		digest = dict__mix(digest, word);
	}
	word = len;
	memcpy(&word, at, len);
	return dict__mix(digest, word ^ (uint64_t)len << 56);
}

/* Of all that is known of a frame: where it is, and what its code object consists of. The address
 * of that alone would not do, since other code may come to lie there. `place` is where the
 * evaluation has its C function. */
static uint64_t digest_frame(const struct python_frame *frame, uint64_t place)
{
	uint64_t digest = dict__mix(frame->raw.code, (uint32_t)frame->raw.instr);

	digest = dict__mix(digest, place);
	digest = dict__mix(digest, (uint32_t)frame->raw.first_line);
	digest = digest_bytes(digest, frame->name.bytes, frame->name.len);
	digest = digest_bytes(digest, frame->file.bytes, frame->file.len);
	return digest_bytes(digest, frame->lines, frame->lines_len);
}

/* Of each frame, innermost first: how many. s NULL: of a chain, which has no places. */
static size_t digest_python(const struct stack_view *s, const struct mp_stack *stack,
			    uint64_t ret[MP_PYTHON_FRAMES])
{
	const struct python_frame *frame;
	struct python_cursor cursor;
	size_t n = 0;

	python_cursor__begin(&cursor, stack__python(stack));
	while ((frame = python_cursor__next(&cursor))) {
		uint32_t place = 0;

		if (s && !pieces__offset(&s->pieces, frame->raw.at, &place))
			place = UINT32_MAX;
		ret[n++] = digest_frame(frame, frame->raw.at ? (uint64_t)place + 1 : 0);
	}
	if (n && cursor.python->cut)
		ret[n - 1] = ~ret[n - 1];
	return n;
}

static uint64_t digest_chain(const struct mp_stack *stack)
{
	uint64_t digests[MP_PYTHON_FRAMES], digest = 0;
	size_t n = digest_python(NULL, stack, digests);

	for (size_t i = 0; i < n; i++)
		digest = dict__mix(digest, digests[i]);
	return n ? digest | 1 : 0;
}

static struct trace *find_copy(const struct known_stacks *known, const struct mp_stack *stack)
{
	struct stack_view s = copied(stack);
	struct key keys[REGISTER_KEYS], key;
	size_t n = keys_of_registers(&s, keys);
	uint64_t python[MP_PYTHON_FRAMES], word;
	const struct node *node = NULL;

	for (size_t i = 0; i < n; i++) {
		keys[i].parent = node ? id_of(known, node) : 0;
		node = child(known, &keys[i]);
		if (!node)
			return NULL;
	}
	while (node->reads) {
		if (!pieces__word(&s.pieces, node->reads - 1, &word))
			return NULL;
		key = key_of(&s, id_of(known, node), word);
		node = child(known, &key);
		if (!node)
			return NULL;
	}
	/* From the outermost on, which many stacks have in common. */
	for (size_t i = digest_python(&s, stack, python); i > 0; i--) {
		key = (struct key){python[i - 1], id_of(known, node), WORD_PYTHON};
		node = child(known, &key);
		if (!node)
			return NULL;
	}
	return node->trace;
}

static struct chain *find_chain(const struct known_stacks *known, const struct mp_stack *stack)
{
	return dict__find(&known->chains, &(struct chain){.ips = stack->data,
							  .bytes = stack->bytes,
							  .python = digest_chain(stack)});
}

static struct trace *find(const struct known_stacks *known, const struct mp_stack *stack)
{
	const struct chain *chain;

	if (stack->kind == MP_STACK_COPY)
		return find_copy(known, stack);
	chain = find_chain(known, stack);
	return chain ? chain->trace : NULL;
}

struct trace *known_stacks__find(const struct known_stacks *known, const struct mp_stack *stack,
				 uint64_t taken_ns)
{
	const struct known_stacks *passing = known->passing;
	struct trace *trace = find(known, stack);

	/* Either may be the earlier one: stacks wait. */
	if (trace || !passing || taken_ns < passing->newest_ns ||
	    (taken_ns > known->first_ns ? taken_ns - known->first_ns : known->first_ns - taken_ns) >
		    KNOWN_STACKS_PASS_NS)
		return trace;
	return find(passing, stack);
}

/* The id of the node with this key, made if there is none; 0 when there is no room. */
static uint32_t grow(struct known_stacks *known, const struct key *key)
{
	const struct node *node = child(known, key);

	if (node)
		return id_of(known, node);
	if (!has_room(known, NODE_BYTES) || !dict__add(&known->nodes, &(struct node){.key = *key}))
		return 0;
	charge(known, NODE_BYTES);
	return known->nodes.n;
}

static bool is_frame(const struct unwound *unwound, uint64_t word)
{
	for (size_t i = 0; i < unwound->n; i++) {
		if (unwound->frames[i].ip == pac__strip(word))
			return true;
	}
	return false;
}

/* Goes on from a node by a word that was read; 0 when there is no room, or when another stack went
 * on from there by another word. The same way so far leads to the same place; else one of the two
 * was unwound when other code was there. */
static uint32_t grow_by_word(struct known_stacks *known, const struct key *key, uint32_t offset)
{
	struct node *node = node_of(known, key->parent);

	if (node->trace || (node->reads && node->reads != offset + 1))
		return 0;
	node->reads = offset + 1;
	return grow(known, key);
}

/* The words of one frame, with the one that became the next frame's instruction pointer first:
 * which of the others point into the stack may differ from one caller to the next. */
static uint32_t grow_by_frame(struct known_stacks *known, uint32_t id, const struct stack_view *s,
			      const struct stack_word *words, size_t n, const struct stack_word *ip)
{
	struct key key;

	if (ip) {
		key = (struct key){pac__strip(ip->value), id, WORD_CODE};
		id = grow_by_word(known, &key, ip->offset);
	}
	for (size_t i = 0; id && i < n; i++) {
		key = key_of(s, id, words[i].value);
		if (&words[i] != ip && (key.kind == WORD_STACK || words[i].counts))
			id = grow_by_word(known, &key, words[i].offset);
	}
	return id;
}

/* The id of the node at which the stack ends; 0 when there is no way to it. */
static uint32_t grow_copy(struct known_stacks *known, const struct mp_stack *stack,
			  const struct unwound *unwound)
{
	struct stack_view s = copied(stack);
	struct key keys[REGISTER_KEYS];
	size_t n = keys_of_registers(&s, keys);
	uint64_t python[MP_PYTHON_FRAMES];
	uint32_t id = 0;

	for (size_t i = 0; i < n; i++) {
		keys[i].parent = id;
		id = grow(known, &keys[i]);
		if (!id)
			return 0;
	}
	for (size_t i = 0, end; id && i < unwound->n_words; i = end) {
		const struct stack_word *words = unwound->words, *ip = NULL;

		for (end = i; end < unwound->n_words && !ip; end++) {
			if (key_of(&s, 0, words[end].value).kind == WORD_CODE &&
			    is_frame(unwound, words[end].value))
				ip = &words[end];
		}
		id = grow_by_frame(known, id, &s, words + i, end - i, ip);
	}
	/* Another stack went on from here. */
	if (id && node_of(known, id)->reads)
		return 0;
	for (size_t i = id ? digest_python(&s, stack, python) : 0; id && i > 0; i--)
		id = grow(known, &(struct key){python[i - 1], id, WORD_PYTHON});
	return id;
}

static void learn_copy(struct known_stacks *known, const struct mp_stack *stack,
		       const struct unwound *unwound, struct trace *trace)
{
	uint32_t id = grow_copy(known, stack, unwound);
	struct node *node = id ? node_of(known, id) : NULL;

	if (node && !node->reads && !node->trace)
		node->trace = trace__ref(trace);
}

static void learn_chain(struct known_stacks *known, const struct mp_stack *stack,
			struct trace *trace)
{
	_cleanup_free_ uint8_t *ips = NULL;

	if (find_chain(known, stack) || !has_room(known, CHAIN_BYTES + stack->bytes))
		return;
	ips = malloc(stack->bytes);
	if (!ips)
		return;
	memcpy(ips, stack->data, stack->bytes);
	if (!dict__add(&known->chains,
		       &(struct chain){trace, ips, stack->bytes, digest_chain(stack)}))
		return;
	trace__ref(trace);
	take_ptr(ips);
	charge(known, CHAIN_BYTES + stack->bytes);
}

uint64_t known_stacks__newest_ns(const struct known_stacks *known)
{
	return known->newest_ns;
}

static void learn(struct known_stacks *known, const struct known_stack *stack, uint64_t newest_ns)
{
	if (!mark_pages(known, stack->unwound))
		return;
	if (newest_ns > known->newest_ns)
		known->newest_ns = newest_ns;
	if (stack->stack->kind == MP_STACK_COPY)
		learn_copy(known, stack->stack, stack->unwound, stack->trace);
	else
		learn_chain(known, stack->stack, stack->trace);
}

void known_stacks__learn(struct known_stacks *known, const struct known_stack *stack,
			 uint64_t newest_ns)
{
	if (stack->unwound->lasts == STACK_LASTS)
		learn(known, stack, newest_ns);
	if (stack->unwound->lasts != STACK_PASSES)
		return;
	if (known->passing && stack->taken_ns > known->first_ns + KNOWN_STACKS_PASS_NS) {
		known_stacks__unref(known->passing);
		known->passing = NULL;
	}
	if (!known->passing) {
		known->passing = known_stacks__new(known->pool, known->account);
		known->first_ns = stack->taken_ns;
	}
	if (known->passing && known->first_ns <= stack->taken_ns + KNOWN_STACKS_PASS_NS)
		learn(known->passing, stack, newest_ns);
}
