// SPDX-License-Identifier: BSD-2-Clause
#include "model/image.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "util/cleanup.h"
#include "util/pac.h"

/* What decides first: the instruction that made the call (on arm64 also where it returns to), then
 * the frame pointer and everything else that calls preserve. Indices of struct mp_stack_copy's
 * regs; the first N_CODE_STEPS count as they are, others only where they point into the stack. */
#if defined(__x86_64__)
static const unsigned char steps[] = {16, 6, 3, 12, 13, 14, 15};
enum { N_CODE_STEPS = 1, REG_SP = 7 };
#elif defined(__aarch64__)
static const unsigned char steps[] = {32, 30, 29, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28};
enum { N_CODE_STEPS = 2, REG_SP = 31 };
#endif

/* How a word counts. */
enum kind {
	WORD_CODE,  /* as it is */
	WORD_STACK, /* as its distance from the stack pointer */
	WORD_OTHER, /* not at all */
};

struct key {
	uint64_t value;
	uint32_t parent; /* 0: none */
	uint32_t kind;
};

struct node {
	UT_hash_handle hh;
	struct key key;
	uint32_t id;
	bool reads;	     /* `offset` holds */
	uint32_t offset;     /* of the word that leads on */
	struct trace *trace; /* of the stack that ends here, if one does */
};

/* By frame pointers: the instruction pointers are all there is. */
struct chain {
	UT_hash_handle hh;
	struct trace *trace;
	size_t bytes;
	uint64_t ips[];
};

/* A page of code that known stacks run through. */
struct code_page {
	UT_hash_handle hh;
	uint64_t number;
};

struct image {
	unsigned refs;
	struct code_page *pages;
	struct node *nodes;
	struct chain *chains;
	size_t n;
	size_t *of_all;
	uint32_t last_id;
};

unsigned image__sp_register(void)
{
	return REG_SP;
}

struct image *image__new(size_t *nodes)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->refs = 1;
	image->of_all = nodes;
	return image;
}

struct image *image__ref(struct image *image)
{
	image->refs++;
	return image;
}

void image__unref(struct image *image)
{
	struct node *node, *next;
	struct chain *chain, *next_chain;
	struct code_page *page, *next_page;

	if (!image || --image->refs)
		return;
	HASH_ITER (hh, image->nodes, node, next) {
		HASH_DEL(image->nodes, node);
		trace__unref(node->trace);
		free(node);
	}
	HASH_ITER (hh, image->chains, chain, next_chain) {
		HASH_DEL(image->chains, chain);
		trace__unref(chain->trace);
		free(chain);
	}
	HASH_ITER (hh, image->pages, page, next_page) {
		HASH_DEL(image->pages, page);
		free(page);
	}
	*image->of_all -= image->n;
	free(image);
}

bool image__is_shared(const struct image *image)
{
	return image->refs > 1;
}

static bool has_room(const struct image *image)
{
	return image->n < IMAGE_MAX_NODES && *image->of_all < IMAGES_MAX_NODES;
}

static void count(struct image *image)
{
	image->n++;
	++*image->of_all;
}

#define CODE_PAGE 4096

static struct code_page *find_page(const struct image *image, uint64_t number)
{
	struct code_page *page;

	HASH_FIND(hh, image->pages, &number, sizeof(number), page);
	return page;
}

bool image__runs_through(const struct image *image, uint64_t addr, uint64_t len)
{
	uint64_t first = addr / CODE_PAGE, last = (addr + len - 1) / CODE_PAGE;
	struct code_page *page, *next;

	if (!len || addr + len - 1 < addr)
		return false;
	if (last - first < HASH_COUNT(image->pages)) {
		for (uint64_t number = first; number <= last; number++) {
			if (find_page(image, number))
				return true;
		}
		return false;
	}
	HASH_ITER (hh, image->pages, page, next) {
		if (page->number >= first && page->number <= last)
			return true;
	}
	return false;
}

/* The pages of a stack's frames; false when there is no room for them. */
static bool mark_pages(struct image *image, const struct unwound *unwound)
{
	for (size_t i = 0; i < unwound->n; i++) {
		uint64_t number = (unwound->frames[i].ip - 1) / CODE_PAGE;
		struct code_page *page;

		if (find_page(image, number))
			continue;
		page = has_room(image) ? calloc(1, sizeof(*page)) : NULL;
		if (!page)
			return false;
		page->number = number;
		HASH_ADD(hh, image->pages, number, sizeof(page->number), page);
		count(image);
	}
	return true;
}

struct copied_stack {
	const struct mp_stack_copy *copy;
	uint64_t sp;
	uint64_t len; /* of the copied bytes */
};

static struct copied_stack copied(const struct mp_stack *stack)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;

	return (struct copied_stack){copy, copy->regs[REG_SP], stack->bytes - sizeof(*copy)};
}

static bool word_at(const struct copied_stack *s, uint32_t offset, uint64_t *ret)
{
	if (s->len < sizeof(*ret) || offset > s->len - sizeof(*ret))
		return false;
	memcpy(ret, s->copy->bytes + offset, sizeof(*ret));
	return true;
}

static struct key key_of(const struct copied_stack *s, uint32_t parent, uint64_t word)
{
	if (word - s->sp <= s->len)
		return (struct key){word - s->sp, parent, WORD_STACK};
	return (struct key){pac__strip(word), parent, WORD_CODE};
}

static struct key key_of_step(const struct copied_stack *s, uint32_t parent, size_t step)
{
	uint64_t value = s->copy->regs[steps[step]];
	struct key key = key_of(s, parent, value);

	if (step < N_CODE_STEPS)
		return (struct key){pac__strip(value), parent, WORD_CODE};
	return key.kind == WORD_STACK ? key : (struct key){0, parent, WORD_OTHER};
}

static struct node *child(const struct image *image, const struct key *key)
{
	struct node *node;

	HASH_FIND(hh, image->nodes, key, sizeof(*key), node);
	return node;
}

static struct trace *find_copy(const struct image *image, const struct mp_stack *stack)
{
	struct copied_stack s = copied(stack);
	struct node *node = NULL;
	struct key key;
	uint64_t word;

	for (size_t step = 0; step < ARRAY_SIZE(steps); step++) {
		key = key_of_step(&s, node ? node->id : 0, step);
		node = child(image, &key);
		if (!node)
			return NULL;
	}
	while (node->reads) {
		if (!word_at(&s, node->offset, &word))
			return NULL;
		key = key_of(&s, node->id, word);
		node = child(image, &key);
		if (!node)
			return NULL;
	}
	return node->trace;
}

struct trace *image__find(const struct image *image, const struct mp_stack *stack)
{
	struct chain *chain;

	if (stack->kind == MP_STACK_COPY)
		return find_copy(image, stack);
	HASH_FIND(hh, image->chains, stack->data, stack->bytes, chain);
	return chain ? chain->trace : NULL;
}

static struct node *grow(struct image *image, const struct key *key)
{
	struct node *node = child(image, key);

	if (node || !has_room(image))
		return node;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->key = *key;
	node->id = ++image->last_id;
	HASH_ADD(hh, image->nodes, key, sizeof(node->key), node);
	count(image);
	return node;
}

static bool is_frame(const struct unwound *unwound, uint64_t word)
{
	for (size_t i = 0; i < unwound->n; i++) {
		if (unwound->frames[i].ip == pac__strip(word))
			return true;
	}
	return false;
}

/* From `node` on by a word that was read: NULL when there is no room, or when somebody else went
 * on from there by another word. The same way so far leads to the same place; else one of the two
 * was unwound when other code was there. */
static struct node *grow_by_word(struct image *image, struct node *node, const struct key *key,
				 uint32_t offset)
{
	if (node->trace || (node->reads && node->offset != offset))
		return NULL;
	node->reads = true;
	node->offset = offset;
	return grow(image, key);
}

/* The words of one frame, with the one that became the next frame's instruction pointer first:
 * which of the others point into the stack may differ from one caller to the next. */
static struct node *grow_by_frame(struct image *image, struct node *node,
				  const struct copied_stack *s, const struct stack_word *words,
				  size_t n, const struct stack_word *ip)
{
	struct key key;

	if (ip) {
		key = (struct key){pac__strip(ip->value), node->id, WORD_CODE};
		node = grow_by_word(image, node, &key, ip->offset);
	}
	for (size_t i = 0; node && i < n; i++) {
		key = key_of(s, node->id, words[i].value);
		if (&words[i] != ip && key.kind == WORD_STACK)
			node = grow_by_word(image, node, &key, words[i].offset);
	}
	return node;
}

static void learn_copy(struct image *image, const struct mp_stack *stack,
		       const struct unwound *unwound, struct trace *trace)
{
	struct copied_stack s = copied(stack);
	struct node *node = NULL;
	struct key key;

	for (size_t step = 0; step < ARRAY_SIZE(steps); step++) {
		key = key_of_step(&s, node ? node->id : 0, step);
		node = grow(image, &key);
		if (!node)
			return;
	}
	for (size_t i = 0, end; node && i < unwound->n_words; i = end) {
		const struct stack_word *words = unwound->words, *ip = NULL;

		for (end = i; end < unwound->n_words && !ip; end++) {
			if (key_of(&s, 0, words[end].value).kind == WORD_CODE &&
			    is_frame(unwound, words[end].value))
				ip = &words[end];
		}
		node = grow_by_frame(image, node, &s, words + i, end - i, ip);
	}
	if (node && !node->reads && !node->trace)
		node->trace = trace__ref(trace);
}

static void learn_chain(struct image *image, const struct mp_stack *stack, struct trace *trace)
{
	struct chain *chain;

	HASH_FIND(hh, image->chains, stack->data, stack->bytes, chain);
	if (chain || !has_room(image))
		return;
	chain = malloc(sizeof(*chain) + stack->bytes);
	if (!chain)
		return;
	chain->trace = trace__ref(trace);
	chain->bytes = stack->bytes;
	memcpy(chain->ips, stack->data, stack->bytes);
	HASH_ADD(hh, image->chains, ips, chain->bytes, chain);
	count(image);
}

void image__learn(struct image *image, const struct mp_stack *stack, const struct unwound *unwound,
		  struct trace *trace)
{
	if (!mark_pages(image, unwound))
		return;
	if (stack->kind == MP_STACK_COPY)
		learn_copy(image, stack, unwound, trace);
	else
		learn_chain(image, stack, trace);
}
