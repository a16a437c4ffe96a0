/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks that are known to occur in one address space, or in several after a fork: a stack that
 * comes again is recognised and need not be unwound again.
 *
 * What identifies a stack. Unwinding is a function of the code, the registers, and the words of
 * the stack that the unwinder reads, each at a place that follows from what it read before. So two
 * stacks of one program have the same frames when the same instruction made the call and every word
 * that decided about the way out is the same:
 *   - words that became an instruction pointer of a frame, as they are;
 *   - words and registers that point into the stack itself (a saved frame pointer may say where
 *     the next frame begins), as their places in the copy;
 *   - others decided nothing: were one of them to, the unwinder would have had to take it for a
 *     place in the stack or in code, and it is neither.
 * They are compared in full, in a tree: each node says where to look next, and the word found
 * there leads to the child. Two different stacks part at some node; no hash stands for a stack.
 *
 * Behind the words come the frames of Python, from the outermost on, each by a digest of 64 bits of
 * all that is known of it: the address of its code object, where in that it is, and the texts that
 * say what the object is. They are kilobytes, and other code may come to lie at the address.
 *
 * That holds until code is unmapped that one of them runs through: then the space forgets all of
 * its known stacks.
 *
 * Code that a runtime made may give way to other code without any event, and what an interpreter
 * runs is memory like any other. So frames that a runtime told of (STACK_PASSES) are those of the
 * same stack for a short while: such stacks are in a tree of their own, which serves stacks that
 * were taken within KNOWN_STACKS_PASS_NS of the first one in it, and is dropped when a later one is
 * learned. Words that such frames follow from count as they are.
 */
#ifndef MEMPROV_KNOWN_STACKS_H
#define MEMPROV_KNOWN_STACKS_H

#include "collect/decode.h"
#include "model/account.h"
#include "model/callsite.h"

/* What one space may know, in nodes, and all spaces together, in bytes, of which one account has
 * its fair share (util/budget.h). Beyond that stacks are unwound each time. */
#define KNOWN_STACKS_MAX_NODES 16384
#define KNOWN_STACKS_MAX_BYTES (16u << 20)

#define KNOWN_STACKS_PASS_NS 1000000000ULL

struct known_stacks;

/* The room that all known stacks share. */
struct known_stacks_pool {
	size_t bytes;
	size_t max; /* 0: KNOWN_STACKS_MAX_BYTES */
};
size_t known_stacks_pool__max(const struct known_stacks_pool *pool);

/* Which of a copy's registers is the stack pointer. */
unsigned known_stacks__sp_register(void);

/* pool must outlive it; it takes a reference to the account, which may be NULL. NULL when out of
 * memory. */
struct known_stacks *known_stacks__new(struct known_stacks_pool *pool, struct account *account);
struct known_stacks *known_stacks__ref(struct known_stacks *known);
void known_stacks__unref(struct known_stacks *known); /* accepts NULL */
bool known_stacks__is_shared(const struct known_stacks *known);

/* True when a known stack has a frame in [addr, addr + len). */
bool known_stacks__runs_through(const struct known_stacks *known, uint64_t addr, uint64_t len);

/* The trace of a stack that is known; borrowed, NULL when it is not. Times are of the events. */
struct trace *known_stacks__find(const struct known_stacks *known, const struct mp_stack *stack,
				 uint64_t taken_ns);

/* From here on a stack like this one, which was unwound to this, is known as `trace`: its code is
 * there since newest_ns. When there is no room or no memory nothing is learned. */
struct known_stack {
	const struct mp_stack *stack;
	uint64_t taken_ns;
	const struct unwound *unwound;
	struct trace *trace;
};
void known_stacks__learn(struct known_stacks *known, const struct known_stack *stack,
			 uint64_t newest_ns);

/* Since when the code of all known stacks is there, but for those that pass: one that was taken
 * before, and looks the same, may have run through other code. */
uint64_t known_stacks__newest_ns(const struct known_stacks *known);

#endif
