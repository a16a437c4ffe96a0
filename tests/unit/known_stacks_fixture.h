/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks for tests of which are the same. Their unwinder knows two kinds of frames, as compilers
 * make them: at a distance from the stack pointer, and at the frame pointer that was saved. */
#ifndef MEMPROV_KNOWN_STACKS_FIXTURE_H
#define MEMPROV_KNOWN_STACKS_FIXTURE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/known_stacks.h"
#include "util/pieces.h"
#include "wire/machine.h"

#define WORDS 64
#define SP    0x7fff1000ULL

enum { REG_BP = MACHINE_FP, REG_SP = MACHINE_SP, REG_IP = MACHINE_PC };

/* One that calls preserve. */
#if defined(__x86_64__)
enum { REG_BX = 3 };
#elif defined(__aarch64__)
enum { REG_BX = 19 };
#endif

struct stack {
	struct mp_stack head;
	struct mp_stack_copy copy;
	uint64_t words[WORDS];
};

struct fixture {
	struct known_stacks_pool pool;
	struct known_stacks *known;
	struct trace *a;
	struct trace *b;
	uint64_t now_ns;
};

/* What the unwinder read, word by word, and which of it became a frame. */
struct path {
	struct stack_word words[16];
	size_t n_words;
	struct frame frames[16];
	size_t n;
};

static inline void begin(struct stack *s, uint64_t sp, uint64_t ip)
{
	memset(s, 0, sizeof(*s));
	s->head.kind = MP_STACK_COPY;
	s->head.bytes = sizeof(s->copy) + sizeof(s->words);
	s->copy.regs[REG_SP] = sp;
	s->copy.regs[REG_IP] = ip;
}

static inline void frame(struct path *p, uint64_t ip)
{
	p->frames[p->n++] = (struct frame){.ip = ip};
}

static inline void reads(const struct stack *s, struct path *p, unsigned word)
{
	p->words[p->n_words++] = (struct stack_word){.offset = word * 8, .value = s->words[word]};
}

/* mmap, called by a function that keeps rbx at word 1 and returns to word 2; that one was called
 * by a function with a frame pointer, saved at word 5, return address at word 6. */
static inline struct unwound walk(const struct stack *s, struct path *p)
{
	unsigned fp;

	*p = (struct path){0};
	frame(p, s->copy.regs[REG_IP]);
	reads(s, p, 0);
	frame(p, s->words[0]);
	reads(s, p, 1);
	reads(s, p, 2);
	frame(p, s->words[2]);
	reads(s, p, 5);
	reads(s, p, 6);
	frame(p, s->words[6]);
	fp = (s->words[5] - s->copy.regs[REG_SP]) / 8;
	if (fp < WORDS - 1) {
		reads(s, p, fp);
		reads(s, p, fp + 1);
		frame(p, s->words[fp + 1]);
	}
	return (struct unwound){.source = STACK_SOURCE_CFI,
				.frames = p->frames,
				.n = p->n,
				.words = p->words,
				.n_words = p->n_words};
}

static inline void fill(struct stack *s, uint64_t sp)
{
	begin(s, sp, 0x401000);
	s->words[0] = 0x402000;
	s->words[1] = 0x1234567; /* data */
	s->words[2] = 0x403000;
	s->words[5] = sp + 20 * 8; /* where the next frame is */
	s->words[6] = 0x404000;
	s->words[20] = 0;
	s->words[21] = 0x405000;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->known = known_stacks__new(&f->pool, NULL);
	f->a = trace__new();
	f->b = trace__new();
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	known_stacks__unref(f->known);
	assert_int_equal(f->pool.bytes, 0);
	trace__unref(f->a);
	trace__unref(f->b);
	free(f);
	return 0;
}

static inline struct trace *find(const struct fixture *f, const struct mp_stack *stack)
{
	return known_stacks__find(f->known, stack, f->now_ns);
}

static inline void learn_as(struct fixture *f, const struct mp_stack *stack,
			    const struct unwound *unwound, struct trace *trace)
{
	known_stacks__learn(f->known, &(struct known_stack){stack, f->now_ns, unwound, trace}, 0);
}

static inline void learn(struct fixture *f, const struct stack *s, struct trace *trace)
{
	struct path path;
	struct unwound unwound = walk(s, &path);

	learn_as(f, &s->head, &unwound, trace);
}

/* A frame that a runtime told of: word 1 counts. */
static inline void learn_passing(struct fixture *f, const struct stack *s, struct trace *trace)
{
	struct path path;
	struct unwound unwound = walk(s, &path);

	unwound.lasts = STACK_PASSES;
	path.words[1].counts = true;
	learn_as(f, &s->head, &unwound, trace);
}

#endif
