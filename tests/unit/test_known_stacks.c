// SPDX-License-Identifier: BSD-2-Clause
/* Which stacks are the same. The unwinder of these tests knows two kinds of frames, as compilers
 * make them: at a distance from the stack pointer, and at the frame pointer that was saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "model/known_stacks.h"
#include "util/cleanup.h"
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

static void begin(struct stack *s, uint64_t sp, uint64_t ip)
{
	memset(s, 0, sizeof(*s));
	s->head.kind = MP_STACK_COPY;
	s->head.bytes = sizeof(s->copy) + sizeof(s->words);
	s->copy.regs[REG_SP] = sp;
	s->copy.regs[REG_IP] = ip;
}

static void frame(struct path *p, uint64_t ip)
{
	p->frames[p->n++] = (struct frame){.ip = ip};
}

static void reads(const struct stack *s, struct path *p, unsigned word)
{
	p->words[p->n_words++] = (struct stack_word){.offset = word * 8, .value = s->words[word]};
}

/* mmap, called by a function that keeps rbx at word 1 and returns to word 2; that one was called
 * by a function with a frame pointer, saved at word 5, return address at word 6. */
static struct unwound walk(const struct stack *s, struct path *p)
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

static void fill(struct stack *s, uint64_t sp)
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

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->known = known_stacks__new(&f->pool, NULL);
	f->a = trace__new();
	f->b = trace__new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	known_stacks__unref(f->known);
	assert_int_equal(f->pool.bytes, 0);
	trace__unref(f->a);
	trace__unref(f->b);
	free(f);
	return 0;
}

static struct trace *find(const struct fixture *f, const struct mp_stack *stack)
{
	return known_stacks__find(f->known, stack, f->now_ns);
}

static void learn_as(struct fixture *f, const struct mp_stack *stack, const struct unwound *unwound,
		     struct trace *trace)
{
	known_stacks__learn(f->known, &(struct known_stack){stack, f->now_ns, unwound, trace}, 0);
}

static void learn(struct fixture *f, const struct stack *s, struct trace *trace)
{
	struct path path;
	struct unwound unwound = walk(s, &path);

	learn_as(f, &s->head, &unwound, trace);
}

/* A frame that a runtime told of: word 1 counts. */
static void learn_passing(struct fixture *f, const struct stack *s, struct trace *trace)
{
	struct path path;
	struct unwound unwound = walk(s, &path);

	unwound.lasts = STACK_PASSES;
	path.words[1].counts = true;
	learn_as(f, &s->head, &unwound, trace);
}

static void test_what_a_runtime_told_of_passes(void **state)
{
	struct fixture *f = *state;
	struct stack s, other;

	fill(&s, SP);
	fill(&other, SP);
	other.words[1]++;
	f->now_ns = 7 * KNOWN_STACKS_PASS_NS;
	learn_passing(f, &s, f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
	assert_null(find(f, &other.head));
	learn_passing(f, &other, f->b);
	assert_ptr_equal(find(f, &other.head), f->b);
	assert_ptr_equal(find(f, &s.head), f->a);
	/* One that was taken somewhat earlier waits. */
	f->now_ns -= KNOWN_STACKS_PASS_NS;
	assert_ptr_equal(find(f, &s.head), f->a);
	f->now_ns--;
	assert_null(find(f, &s.head));
	learn_passing(f, &s, f->b);
	assert_null(find(f, &s.head));
	f->now_ns += 2 * KNOWN_STACKS_PASS_NS + 1;
	assert_ptr_equal(find(f, &s.head), f->a);
	assert_true(known_stacks__runs_through(f->known, 0x402000 - 1, 1));
	f->now_ns++;
	assert_null(find(f, &s.head));
	/* The others go with the first one. */
	learn_passing(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	assert_null(find(f, &other.head));
	/* What lasts stays. */
	learn(f, &other, f->a);
	f->now_ns *= 2;
	assert_ptr_equal(find(f, &other.head), f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void test_the_same_again(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	assert_null(find(f, &s.head));
	learn(f, &s, f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
	/* another thread's stack, other data, other scratch registers */
	fill(&s, SP + 0x20000);
	s.words[1] = 0x7654321;
	s.words[40] = 99;
	s.copy.regs[0] = 17;
	s.copy.regs[REG_BX] = 0xdeadbeef;
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void test_whatever_decides_tells_apart(void **state)
{
	/* Each word that the way out hangs on, changed to another of its kind. */
	static const struct {
		unsigned word;
		uint64_t value;
	} changes[] = {
		{0, 0x402008}, {2, 0x403008},  {5, SP + 22 * 8},
		{6, 0x404008}, {21, 0x405008}, {2, 0},
	};
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		fill(&s, SP);
		s.words[changes[i].word] = changes[i].value;
		assert_null(find(f, &s.head));
	}
	fill(&s, SP);
	s.copy.regs[REG_IP] += 1;
	assert_null(find(f, &s.head));
	fill(&s, SP);
	s.copy.regs[REG_BP] = SP + 16; /* may be what a frame begins at */
	assert_null(find(f, &s.head));
}

static void test_two_stacks_part(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	fill(&s, SP);
	s.words[5] = SP + 30 * 8;
	s.words[31] = 0x406000;
	learn(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	fill(&s, SP);
	assert_ptr_equal(find(f, &s.head), f->a);
}

/* The second half is another stack, which the frame at word 5 begins on: it may lie anywhere,
 * behind any length of the first. */
static void test_another_stack(void **state)
{
	enum { OWN = 12 };
	struct fixture *f = *state;
	struct path path;
	struct unwound unwound;
	struct stack s;

	for (uint64_t other = 0xc000001000, cut = 0; other < 0xc000004000; other += 0x1000, cut++) {
		fill(&s, SP);
		s.copy.other = (struct mp_stack_other){
			.at = other, .sp = other, .pc = 0x407000, .len = (WORDS - OWN) * 8};
		s.words[5] = other + 16;
		s.words[OWN + 2] = 0;
		s.words[OWN + 3] = 0x405000;
		if (!cut) {
			unwound = walk(&s, &path);
			path.words[path.n_words++] = (struct stack_word){
				.offset = PIECES_OTHER + 24, .value = s.words[OWN + 3]};
			path.frames[path.n++].ip = s.words[OWN + 3];
			unwound.n = path.n;
			unwound.n_words = path.n_words;
			learn_as(f, &s.head, &unwound, f->a);
		}
		/* Of the first, what nobody reads is missing. */
		memmove(&s.words[OWN - cut], &s.words[OWN], (WORDS - OWN) * 8);
		s.head.bytes -= cut * 8;
		assert_ptr_equal(find(f, &s.head), f->a);
		s.words[OWN - cut + 3]++;
		assert_null(find(f, &s.head));
		s.words[OWN - cut + 3]--;
		s.copy.other.pc++;
		assert_null(find(f, &s.head));
	}
}

#if defined(__aarch64__)
/* As functions sign the addresses that they return to: with the stack pointer. */
static void sign(struct stack *s)
{
	static const unsigned words[] = {0, 2, 6, 21};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		s->words[words[i]] |= (s->copy.regs[REG_SP] / 16 + i) << 48;
}

/* Frames are told without the signatures: of two callers, one is not taken for the other. */
static void test_signed_addresses(void **state)
{
	struct fixture *f = *state;
	struct path path;
	struct unwound unwound;
	struct stack s;

	fill(&s, SP);
	unwound = walk(&s, &path);
	sign(&s);
	for (size_t i = 0; i < path.n_words; i++)
		path.words[i].value = s.words[path.words[i].offset / 8];
	learn_as(f, &s.head, &unwound, f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
	fill(&s, SP + 0x20000);
	sign(&s);
	assert_ptr_equal(find(f, &s.head), f->a);
	s.words[6] += 8;
	assert_null(find(f, &s.head));
}
#endif

/* A register that was saved may point into the stack in one caller and elsewhere in the next: the
 * return address behind it tells them apart first. */
static void test_saved_registers_of_several_callers(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	fill(&s, SP);
	s.words[1] = SP + 64;
	s.words[2] = 0x403333;
	learn(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	fill(&s, SP);
	assert_ptr_equal(find(f, &s.head), f->a);
}

/* A distance is the register's that has it. */
static void test_which_registers_point_into_the_stack(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	s.copy.regs[REG_BP] = SP + 16;
	learn(f, &s, f->a);
	s.copy.regs[REG_BP] = 0;
	s.copy.regs[REG_BX] = SP + 16;
	assert_null(find(f, &s.head));
	learn(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	s.copy.regs[REG_BP] = SP + 16;
	assert_null(find(f, &s.head));
	s.copy.regs[REG_BX] = 1;
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void test_a_shorter_copy(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	s.head.bytes = sizeof(s.copy) + 10 * 8; /* it ends before the last frame */
	assert_null(find(f, &s.head));
	s.head.bytes = sizeof(s.copy);
	assert_null(find(f, &s.head));
}

static void test_by_frame_pointers(void **state)
{
	struct fixture *f = *state;
	struct {
		struct mp_stack head;
		uint64_t ips[3];
	} chain = {{.kind = MP_STACK_FP, .bytes = sizeof(chain.ips)}, {1, 2, 3}};
	struct unwound none = {0};

	assert_null(find(f, &chain.head));
	learn_as(f, &chain.head, &none, f->a);
	assert_ptr_equal(find(f, &chain.head), f->a);
	chain.ips[2]++;
	assert_null(find(f, &chain.head));
	chain.ips[2]--;
	chain.head.bytes -= 8;
	assert_null(find(f, &chain.head));
}

/* Frames of Python behind a stack, as BPF puts them there. */
struct python_stack {
	struct stack native;
	struct mp_python python;
	struct mp_python_frame frames[2];
	char text[8];
};

static struct python_stack two_frames(void)
{
	struct python_stack s = {
		.python.n = 2,
		.frames = {{.code = 0x1000,
			    .at = SP + 24,
			    .instr = 4,
			    .first_line = 1,
			    .name_len = 1,
			    .lines_len = 2,
			    .name_kind = 1},
			   {.code = 0x2000, .at = SP + 64, .name_len = 1, .name_kind = 1}},
		.text = "fxyg",
	};

	fill(&s.native, SP);
	s.native.head.python = (sizeof(s) - offsetof(struct python_stack, python)) / 8;
	return s;
}

static void learn_python(struct fixture *f, const struct python_stack *s, struct trace *trace)
{
	learn(f, &s->native, trace);
}

/* The same native stack with other frames is another one: also with the same addresses, where other
 * code has come to lie. */
static void test_frames_of_python_count(void **state)
{
	struct fixture *f = *state;
	struct python_stack whole = two_frames(), s;

#define OTHER(what)                                                                                \
	do {                                                                                       \
		s = two_frames();                                                                  \
		what;                                                                              \
		assert_null(find(f, &s.native.head));                                              \
	} while (0)
	learn_python(f, &whole, f->a);
	s = two_frames();
	assert_ptr_equal(find(f, &s.native.head), f->a);
	OTHER(s.frames[0].code++);
	OTHER(s.frames[0].instr += 2);
	OTHER(s.frames[0].first_line++);
	OTHER(s.frames[0].at += 8);
	OTHER(s.frames[0].at = 0);
	OTHER(s.frames[1].code++);
	OTHER(s.text[0]++); /* a name */
	OTHER(s.text[2]++); /* a line */
	OTHER(s.text[3]++);
	OTHER(s.python.cut = 1);
	OTHER(s.python.n = 1);
	OTHER(s.native.head.python = 0);
	OTHER(s.native.words[0]++);
	/* Each of them beside the other. */
	s = two_frames();
	s.text[0]++;
	learn_python(f, &s, f->b);
	assert_ptr_equal(find(f, &s.native.head), f->b);
	assert_ptr_equal(find(f, &whole.native.head), f->a);
	/* A stack without any, which is otherwise the same. */
	s.native.head.python = 0;
	assert_null(find(f, &s.native.head));
	learn_python(f, &s, f->b);
	assert_ptr_equal(find(f, &s.native.head), f->b);
	assert_ptr_equal(find(f, &whole.native.head), f->a);
}

/* Another thread's stack lies elsewhere, and so do the evaluations in it. */
static void test_frames_of_python_in_another_thread(void **state)
{
	struct fixture *f = *state;
	struct python_stack whole = two_frames(), s = two_frames();

	learn_python(f, &whole, f->a);
	fill(&s.native, SP + 0x100000);
	s.native.head.python = whole.native.head.python;
	s.frames[0].at += 0x100000;
	s.frames[1].at += 0x100000;
	assert_ptr_equal(find(f, &s.native.head), f->a);
}

static void test_frames_of_python_behind_a_chain(void **state)
{
	struct fixture *f = *state;
	struct {
		struct mp_stack head;
		uint64_t ips[1];
		struct mp_python python;
		struct mp_python_frame frames[1];
	} chain = {.head = {.kind = MP_STACK_FP, .bytes = 8, .python = 5},
		   .ips = {7},
		   .python.n = 1,
		   .frames = {{.code = 1, .instr = 2}}};
	struct unwound none = {0};

	learn_as(f, &chain.head, &none, f->a);
	assert_ptr_equal(find(f, &chain.head), f->a);
	chain.frames[0].instr++;
	assert_null(find(f, &chain.head));
	learn_as(f, &chain.head, &none, f->b);
	assert_ptr_equal(find(f, &chain.head), f->b);
	chain.head.python = 0;
	assert_null(find(f, &chain.head));
}

/* A stack can be the inner part of another one. */
static void test_chains_of_all_lengths(void **state)
{
	struct fixture *f = *state;
	struct {
		struct mp_stack head;
		uint64_t ips[MP_FP_MAX];
	} chain = {.head.kind = MP_STACK_FP};
	struct unwound none = {0};

	for (unsigned n = 0; n <= MP_FP_MAX; n++) {
		chain.head.bytes = n * sizeof(chain.ips[0]);
		learn_as(f, &chain.head, &none, n % 2 ? f->a : f->b);
	}
	for (unsigned n = 0; n <= MP_FP_MAX; n++) {
		chain.head.bytes = n * sizeof(chain.ips[0]);
		assert_ptr_equal(find(f, &chain.head), n % 2 ? f->a : f->b);
	}
}

static void test_pages_it_runs_through(void **state)
{
	static const uint64_t ips[] = {0x405001, 0x402001, 0x409000, 0x402fff, 0x403000};
	static const struct {
		uint64_t addr;
		uint64_t len;
		bool known;
	} ranges[] = {
		{0x402000, 0x1000, true},
		{0x402fff, 1, true},
		{0x403000, 0x2000, false},
		{0x401000, 0x1000, false},
		{0x405000, 1, true},
		{0x408000, 0x1000, true},
		{0x409000, 0x1000, false},
		{0, 0x402000, false},
		{0, 0x402001, true},
		{0x406000, 0x2000, false},
		{0x409000, -0x409000ULL, false},
		{0, UINT64_MAX, true},
		{0x402000, 0, false},
		{0x402000, UINT64_MAX, false},
	};
	struct fixture *f = *state;
	struct frame frames[ARRAY_SIZE(ips)] = {};
	struct unwound unwound = {.frames = frames, .n = ARRAY_SIZE(ips)};
	struct mp_stack none = {.kind = MP_STACK_FP};

	for (size_t i = 0; i < ARRAY_SIZE(ips); i++)
		frames[i].ip = ips[i];
	assert_false(known_stacks__runs_through(f->known, 0, UINT64_MAX));
	learn_as(f, &none, &unwound, f->a);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		assert_int_equal(
			known_stacks__runs_through(f->known, ranges[i].addr, ranges[i].len),
			ranges[i].known);
}

static void learn_more(struct fixture *f, unsigned first)
{
	struct stack s;

	for (unsigned i = first; i < first + KNOWN_STACKS_MAX_NODES; i++) {
		fill(&s, SP);
		s.words[0] += i;
		learn(f, &s, f->a);
	}
}

static void test_it_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct stack s;
	size_t bytes;

	learn_more(f, 0);
	bytes = f->pool.bytes;
	assert_true(bytes < KNOWN_STACKS_MAX_BYTES);
	learn_more(f, KNOWN_STACKS_MAX_NODES);
	assert_int_equal(f->pool.bytes, bytes);
	fill(&s, SP);
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void no_judge(struct callsite *site)
{
}

static void test_call_sites_are_kept_once(void **state)
{
	struct callsite_table *table = callsite_table__new(no_judge, NULL);
	struct frame frames[] = {
		{.function = "mmap", .module = "/lib/libc.so", .offset = 5, .ip = 1},
		{.function = "grow", .module = "/bin/a", .offset = 7, .ip = 2}};
	struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = frames, .n = 2};
	struct callsite *a = callsite_table__intern(table, 1, &stack), *b, *c;
	struct callsite_stats stats;

	assert_int_equal(a->n, 2);
	assert_string_equal(a->frames[1]->function, "grow");
	assert_string_equal(a->frames[1]->module, "/bin/a");
	frames[0].ip = 99; /* the library lies elsewhere in another process */
	b = callsite_table__intern(table, 1, &stack);
	assert_ptr_equal(a, b);
	frames[1].offset = 8;
	c = callsite_table__intern(table, 1, &stack);
	assert_ptr_not_equal(a, c);
	callsite_table__stats(table, &stats);
	assert_int_equal(stats.sites, 2);
	callsite_table__free(table);
	assert_string_equal(c->frames[0]->function, "mmap"); /* it outlives the table */
	callsite__unref(a);
	callsite__unref(b);
	callsite__unref(c);
}

/* The account with most of a nearly full table loses; others keep theirs. */
static void test_the_account_with_most_call_sites_gives_way(void **state)
{
	struct callsite_table *table = callsite_table__new(no_judge, NULL);
	struct frame frame = {.function = "f"};
	struct frame deep[FRAMES_MAX];
	struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = deep, .n = FRAMES_MAX};
	struct callsite *few, **held = calloc(CALLSITES_MAX_BYTES / 1024, sizeof(*held));
	uint64_t most = 0;
	bool much = false;
	size_t n = 0;

	for (size_t i = 0; i < FRAMES_MAX; i++)
		deep[i] = frame;
	few = callsite_table__intern(table, 7, &(struct unwound){.frames = &frame, .n = 1});
	while (!callsite_table__is_short(table, 7, &most, &much)) {
		deep[0].offset = ++n;
		held[n] = callsite_table__intern(table, 8, &stack);
		assert_false(callsite__is_other(held[n]));
	}
	assert_int_equal(most, 8);
	assert_true(much);
	assert_true(callsite_table__is_short(table, 8, &most, &much));
	assert_false(much);
	/* There is room for some more all the same, until it gives way. */
	deep[0].offset = n + 1;
	callsite__unref(callsite_table__intern(table, 7, &stack));
	for (size_t i = 1; i <= n; i++)
		callsite__unref(held[i]);
	assert_false(callsite_table__is_short(table, 7, &most, &much));
	assert_int_equal(few->frames[0]->offset, 0);
	callsite__unref(few);
	callsite_table__free(table);
	free(held);
}

/* Call sites without references go first; when all are held, further ones become "other". */
static void test_call_sites_are_bounded(void **state)
{
	struct callsite_table *table = callsite_table__new(no_judge, NULL);
	char *name = calloc(1, 1 << 20);
	struct frame frame = {.function = name};
	struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = &frame, .n = 1};
	struct callsite *held[CALLSITES_MAX_BYTES >> 20];
	struct callsite_stats stats;
	struct callsite *site;
	size_t n = ARRAY_SIZE(held) - 1;

	memset(name, 'x', (1 << 20) - 1);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(held); i++) {
		frame.offset = i;
		callsite__unref(callsite_table__intern(table, 1, &stack));
	}
	callsite_table__stats(table, &stats);
	assert_int_equal(stats.turned_away, 0);
	assert_true(stats.bytes <= CALLSITES_MAX_BYTES);
	for (size_t i = 0; i < n; i++) {
		frame.offset = 1000 + i;
		held[i] = callsite_table__intern(table, 1, &stack);
		assert_false(callsite__is_other(held[i]));
	}
	frame.offset = 5000;
	site = callsite_table__intern(table, 1, &stack);
	assert_true(callsite__is_other(site));
	callsite__unref(site);
	callsite_table__stats(table, &stats);
	assert_int_equal(stats.turned_away, 1);
	for (size_t i = 0; i < n; i++)
		callsite__unref(held[i]);
	callsite_table__free(table);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] =
	{ cmocka_unit_test_setup_teardown(test_the_same_again, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_whatever_decides_tells_apart, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_what_a_runtime_told_of_passes, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_two_stacks_part, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_another_stack, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_saved_registers_of_several_callers, setup, teardown),
#if defined(__aarch64__)
	  cmocka_unit_test_setup_teardown(test_signed_addresses, setup, teardown),
#endif
	  cmocka_unit_test_setup_teardown(test_which_registers_point_into_the_stack, setup,
					  teardown),
	  cmocka_unit_test_setup_teardown(test_a_shorter_copy, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_by_frame_pointers, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_chains_of_all_lengths, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_frames_of_python_count, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_frames_of_python_in_another_thread, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_frames_of_python_behind_a_chain, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_pages_it_runs_through, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_it_is_bounded, setup, teardown),
	  cmocka_unit_test(test_call_sites_are_kept_once),
	  cmocka_unit_test(test_the_account_with_most_call_sites_gives_way),
	  cmocka_unit_test(test_call_sites_are_bounded),
	};

	return cmocka_run_group_tests_name("known_stacks", tests, NULL, NULL);
}
