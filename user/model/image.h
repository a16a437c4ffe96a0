/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code that one address space, or several after a fork, can run, and the stacks that are
 * known to occur in it: a stack that comes again is recognised and need not be unwound again.
 *
 * What identifies a stack. Unwinding is a function of the code, the registers, and the words of
 * the stack that the unwinder reads, each at a place that follows from what it read before. So two
 * stacks of one image have the same frames when the same instruction made the call and every word
 * that decided about the way out is the same:
 *   - words that became an instruction pointer of a frame, as they are;
 *   - words and registers that point into the stack itself (a saved frame pointer may say where
 *     the next frame begins), as distances from the stack pointer;
 *   - others decided nothing: were one of them to, the unwinder would have had to take it for a
 *     place in the stack or in code, and it is neither.
 * They are compared in full, in a tree: each node says where to look next, and the word found
 * there leads to the child. Two different stacks part at some node; no hash stands for a stack.
 *
 * That holds until code is unmapped that one of them runs through: then the image of the space is
 * replaced by a new one.
 */
#ifndef MEMPROV_IMAGE_H
#define MEMPROV_IMAGE_H

#include "collect/decode.h"
#include "model/account.h"
#include "model/callsite.h"

/* What one image may know, in nodes, and all images together, in bytes, of which one account has
 * its fair share (util/budget.h). Beyond that stacks are unwound each time. */
#define IMAGE_MAX_NODES	 16384
#define IMAGES_MAX_BYTES (16u << 20)

struct image;

/* All images that share the room. */
struct image_pool {
	size_t bytes;
	size_t max; /* 0: IMAGES_MAX_BYTES */
};
size_t image_pool__max(const struct image_pool *pool);

/* Which of a copy's registers is the stack pointer. */
unsigned image__sp_register(void);

/* pool must outlive it; it takes a reference to the account, which may be NULL. NULL when out of
 * memory. */
struct image *image__new(struct image_pool *pool, struct account *account);
struct image *image__ref(struct image *image);
void image__unref(struct image *image); /* accepts NULL */
bool image__is_shared(const struct image *image);

/* True when a known stack has a frame in [addr, addr + len). */
bool image__runs_through(const struct image *image, uint64_t addr, uint64_t len);

/* The trace of a stack that is known; borrowed, NULL when it is not. */
struct trace *image__find(const struct image *image, const struct mp_stack *stack);

/* From here on a stack like this one, which was unwound to this, is known as `trace`: its code is
 * there since newest_ns. When there is no room or no memory nothing is learned. */
void image__learn(struct image *image, const struct mp_stack *stack, const struct unwound *unwound,
		  struct trace *trace, uint64_t newest_ns);

/* Since when the code of all known stacks is there: one that was taken before, and looks the same,
 * may have run through other code. */
uint64_t image__newest_ns(const struct image *image);

#endif
