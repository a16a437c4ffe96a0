// SPDX-License-Identifier: BSD-2-Clause
/* The life of processes, what is lost and what is learned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <malloc.h>

#include "events.h"
#include "model/model.h"
#include "proc/procfs.h"
#include "model/name.h"
#include "util/cleanup.h"

#define ATTACHED_NS 10000000000ULL
#define NEW_START   (ATTACHED_NS + 1000000000ULL)

struct fixture {
	struct model *model;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->model =
		model__new(&(struct model_config){.page_size = PAGE, .attached_ns = ATTACHED_NS});
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	model__free(f->model);
	free(f);
	return 0;
}

static void apply(struct fixture *f, union mp_event e)
{
	model__apply(f->model, &e);
}

static int print_range(const struct ledger_range *range, void *ctx)
{
	char *text = ctx + strlen(ctx);

	text += sprintf(text, "%llu-%llu", (unsigned long long)(range->start / PAGE),
			(unsigned long long)(range->end / PAGE));
	if (range->record->origin == ORIGIN_PREDATES)
		text += sprintf(text, "=old");
	if (name__now(range->name))
		text += sprintf(text, "=%s", name__now(range->name)->text);
	strcpy(text, " ");
	return 0;
}

/* Ranges of the process; "none" when it is not known. */
static const char *shown(struct fixture *f, pid_t tgid)
{
	static char text[1 << 18];
	struct view view;

	if (model__view(f->model, tgid, &view))
		return "none";
	text[0] = '\0';
	ledger__each(&view.ledger, 0, UINT64_MAX, print_range, text);
	view__free(&view);
	return text;
}

static enum knowledge knowledge(struct fixture *f, pid_t tgid)
{
	struct view view;

	assert_int_equal(model__view(f->model, tgid, &view), 0);
	view__free(&view);
	return view.knowledge;
}

static uint64_t resyncs(struct fixture *f, enum resync cause)
{
	struct model_stats stats;

	model__stats(f->model, &stats);
	return stats.resyncs[cause];
}

static int assert_unwitnessed(const struct ledger_range *range, void *ctx)
{
	assert_int_equal(range->record->origin, ORIGIN_UNKNOWN);
	return 0;
}

static void add_vma(struct vma_set *set, uint64_t lo, uint64_t hi, enum vma_kind kind)
{
	set->vmas = realloc(set->vmas, (set->n + 1) * sizeof(*set->vmas));
	set->vmas[set->n++] = (struct vma){.start = lo * PAGE, .end = hi * PAGE, .kind = kind};
}

static void learn(struct fixture *f, pid_t tgid, uint64_t start_ns, uint64_t space_id,
		  uint64_t began, const struct vma_set *set)
{
	struct proc_stat stat = {.start_ticks = start_ns / NSEC_PER_TICK, .comm = "learned"};

	model__learn(f->model, tgid, &stat, space_id, began, set);
}

static void test_exec_clears(void **state)
{
	struct fixture *f = *state;
	struct view view;

	apply(f, event_mmap(1, 1, 10, 4));
	assert_int_equal(knowledge(f, TGID), KNOWS_SINCE_ATTACH);
	apply(f, event_exec(20, 100 * PAGE + 5));
	assert_string_equal(shown(f, TGID), "");
	assert_int_equal(knowledge(f, TGID), KNOWS_ALL);
	model__view(f->model, TGID, &view);
	assert_string_equal(view.comm, "program");
	assert_int_equal(view.exec_space, view.space_id);
	assert_int_equal(view.since_ns, 20);
	view__free(&view);
	apply(f, event_brk(1, 30, 100 * PAGE + 5, 110 * PAGE));
	assert_string_equal(shown(f, TGID), "101-110 ");
}

static void test_fork_then_each_its_own(void **state)
{
	struct fixture *f = *state;

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 2, 10, 4));
	apply(f, event_fork(3, 200, NEW_START, false));
	apply(f, event_munmap(4, 10, 2));
	apply(f, by(event_mmap(200, 5, 30, 1), 200, NEW_START));
	assert_string_equal(shown(f, TGID), "12-14 ");
	assert_string_equal(shown(f, 200), "10-14 30-31 ");
	assert_int_equal(knowledge(f, 200), KNOWS_ALL);
}

static bool is_unshared(struct fixture *f, pid_t tgid)
{
	struct view view;
	bool unshared;

	assert_int_equal(model__view(f->model, tgid, &view), 0);
	unshared = view.unshared;
	view__free(&view);
	return unshared;
}

/* Since an exec that was seen, and until a fork: then of both, for good. */
static void test_whose_pages_are_its_own(void **state)
{
	struct fixture *f = *state;
	struct view before;

	apply(f, event_mmap(1, 1, 10, 4));
	assert_false(is_unshared(f, TGID));
	apply(f, event_exec(2, PAGE));
	assert_true(is_unshared(f, TGID));
	apply(f, event_fork(3, 200, NEW_START, true));
	assert_true(is_unshared(f, TGID));
	apply(f, by(event_exec(4, PAGE), 200, NEW_START));
	assert_true(is_unshared(f, TGID) && is_unshared(f, 200));

	model__view(f->model, TGID, &before);
	apply(f, event_fork(5, 300, NEW_START, false));
	assert_false(model__view_holds(f->model, &before));
	view__free(&before);
	assert_false(is_unshared(f, TGID) || is_unshared(f, 300));
	apply(f, by(event_exec(6, PAGE), 300, NEW_START));
	assert_true(is_unshared(f, 300));
	assert_false(is_unshared(f, TGID));
}

/* The fork may be what was lost. */
static void test_whose_pages_are_its_own_is_lost(void **state)
{
	struct fixture *f = *state;

	apply(f, event_exec(2, PAGE));
	model__lost(f->model, TGID, &(struct mp_lost_range){0, UINT64_MAX, 3, 1});
	assert_false(is_unshared(f, TGID));
}

/* vfork and posix_spawn: the child works in the parent's map until its exec. */
static void test_vfork_shares_until_exec(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 2, 10, 4));
	apply(f, event_fork(3, 200, NEW_START, true));
	apply(f, by(event_mmap(200, 5, 30, 1), 200, NEW_START));
	assert_string_equal(shown(f, TGID), "10-14 30-31 ");
	apply(f, by(event_exec(6, PAGE), 200, NEW_START));
	apply(f, by(event_mmap(200, 7, 50, 1), 200, NEW_START));
	assert_string_equal(shown(f, TGID), "10-14 30-31 ");
	assert_string_equal(shown(f, 200), "50-51 ");
	assert_int_equal(knowledge(f, TGID), KNOWS_SINCE_ATTACH);
	assert_int_equal(knowledge(f, 200), KNOWS_ALL);
}

static void test_exit_and_reuse(void **state)
{
	struct fixture *f = *state;
	union mp_event bye = {.head = event_head(MP_EVENT_EXIT, 1, 9)};

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, by(bye, TGID, START_NS + 7 * NSEC_PER_TICK)); /* another one of that number */
	assert_string_equal(shown(f, TGID), "10-14 ");
	apply(f, bye);
	assert_string_equal(shown(f, TGID), "none");
	/* the number again, without an exit having been seen in between */
	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, by(event_mmap(1, 20, 70, 1), TGID, NEW_START));
	assert_string_equal(shown(f, TGID), "70-71 ");
	assert_int_equal(knowledge(f, TGID), KNOWS_RESYNCED); /* no event told of its start */
	assert_int_equal(resyncs(f, RESYNC_NEW_PROCESS), 1);
}

static void test_what_was_there_before_us(void **state)
{
	struct fixture *f = *state;
	struct vma_set set = {0};

	add_vma(&set, 10, 20, VMA_ANON);
	add_vma(&set, 30, 40, VMA_HEAP);
	/* an event came before the sweep did */
	apply(f, event_mmap(1, ATTACHED_NS + 1, 12, 3));
	learn(f, TGID, START_NS, 0, ATTACHED_NS + 2, &set);
	assert_string_equal(shown(f, TGID), "10-12=old 12-15 15-20=old 30-40=old ");
	apply(f, event_brk(1, ATTACHED_NS + 3, 30 * PAGE, 42 * PAGE));
	assert_string_equal(shown(f, TGID), "10-12=old 12-15 15-20=old 30-40=old 40-42 ");
	/* later snapshots do not call anything old any more */
	add_vma(&set, 50, 60, VMA_ANON);
	learn(f, TGID, START_NS, 0, ATTACHED_NS + 4, &set);
	assert_string_equal(shown(f, TGID), "10-12=old 12-15 15-20=old 30-40=old ");
	assert_int_equal(resyncs(f, RESYNC_STALE_RANGE), 1);
	free(set.vmas);
}

/* Only what was last touched before the snapshot began may be evaluated by it. */
static void test_learning_spares_what_is_newer(void **state)
{
	struct fixture *f = *state;
	struct vma_set set = {0};

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 10, 10, 1));
	apply(f, event_mmap(1, 30, 20, 1));
	add_vma(&set, 90, 91, VMA_ANON);
	learn(f, TGID, START_NS, 0, 20, &set);
	assert_string_equal(shown(f, TGID), "20-21 ");
	assert_int_equal(resyncs(f, RESYNC_STALE_RANGE), 1);
	learn(f, TGID, START_NS, 0, 20, &set); /* nothing is wrong any more */
	assert_int_equal(resyncs(f, RESYNC_STALE_RANGE), 1);
	free(set.vmas);
}

/* A snapshot of the program before the exec says nothing about the one after. */
static void test_learning_the_wrong_space(void **state)
{
	struct fixture *f = *state;
	struct vma_set set = {0};
	struct view view;

	apply(f, event_mmap(1, 10, 10, 1));
	model__view(f->model, TGID, &view);
	view__free(&view);
	apply(f, event_exec(20, PAGE));
	apply(f, event_mmap(1, 21, 50, 1));
	learn(f, TGID, START_NS, view.space_id, 30, &set);
	assert_string_equal(shown(f, TGID), "50-51 ");
}

static void test_losses(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {10 * PAGE, 11 * PAGE + 1, 50, 3};
	struct view view;

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 2, 10, 4));
	apply(f, event_mmap(1, 60, 11, 1)); /* later than the loss */
	model__lost(f->model, TGID, &lost);
	assert_string_equal(shown(f, TGID), "11-12 12-14 ");
	assert_int_equal(knowledge(f, TGID), KNOWS_RESYNCED);
	model__lost(f->model, TGID, &lost); /* told twice, counted once */
	assert_int_equal(resyncs(f, RESYNC_RING_FULL), 1);
	model__view(f->model, TGID, &view);
	assert_int_equal(view.lost_events, 3);
	view__free(&view);
	/* which process lost them is not known, only that they were lost until 70 */
	lost = (struct mp_lost_range){0, UINT64_MAX, 70, 0};
	model__lost(f->model, 0, &lost);
	apply(f, event_mmap(1, 69, 30, 1));
	apply(f, event_mmap(1, 71, 20, 1));
	assert_string_equal(shown(f, TGID), "20-21 ");
	model__view(f->model, TGID, &view);
	assert_int_equal(view.lost_events, 3); /* its own, as before */
	view__free(&view);
	/* nor until when */
	lost.last_ns = UINT64_MAX;
	model__lost(f->model, 0, &lost);
	assert_string_equal(shown(f, TGID), "");
}

/* A mapping was replaced, which got lost; then its successor was named, moved, and inherited. None
 * of that may carry the old creator along. */
static void test_doubt_does_not_travel(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {10 * PAGE, 12 * PAGE, 50, 1};
	struct view view;

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 2, 10, 4));
	model__lost(f->model, TGID, &lost);
	apply(f, event_mmap(2, 40, 11, 1)); /* older than the loss, but later on the ring */
	apply(f, event_fork(60, 200, NEW_START, false));
	apply(f, event_name(61, 10, 2, "new"));
	apply(f, event_mremap(1, 62, 10, 4, 50, 4, 1));
	assert_string_equal(shown(f, TGID), "50-52=new 52-54 ");
	assert_string_equal(shown(f, 200), "12-14 ");
	model__view(f->model, TGID, &view);
	ledger__each(&view.ledger, 50 * PAGE, 51 * PAGE, assert_unwitnessed, NULL);
	view__free(&view);
}

static void test_moves_of_what_is_doubtful(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {10 * PAGE, 12 * PAGE, 50, 1};

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 2, 10, 4));
	model__lost(f->model, TGID, &lost);
	/* whether the loss was before or after this cannot be told: there may have been several */
	apply(f, event_mremap(1, 30, 10, 4, 50, 4, 1));
	assert_string_equal(shown(f, TGID), "52-54 ");
}

/* What an mremap adds lies where all is certain; its name comes from where it is not. */
static void test_doubtful_names_do_not_grow(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {12 * PAGE, 14 * PAGE, 50, 1};

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 2, 10, 4));
	apply(f, event_mmap(1, 3, 20, 4));
	apply(f, event_name(4, 10, 4, "old"));
	apply(f, event_name(4, 20, 4, "old"));
	model__lost(f->model, TGID, &lost);
	apply(f, event_mremap(1, 30, 10, 4, 10, 6, 0));
	apply(f, event_mremap(1, 31, 20, 4, 20, 6, 0));
	assert_string_equal(shown(f, TGID), "10-12=old 14-16 20-24=old 24-26=old ");
	/* the losses have been told, and what was named since is sure */
	apply(f, event_name(60, 12, 4, "new"));
	apply(f, event_mremap(1, 61, 10, 6, 40, 8, 1));
	assert_string_equal(shown(f, TGID), "20-24=old 24-26=old 40-42=old 42-44=new 44-48=new ");
}

/* The child's first event was lost, and that is told before its fork. */
static void test_losses_of_the_unborn(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {10 * PAGE, 12 * PAGE, NEW_START + 50, 1};

	apply(f, event_exec(1, PAGE));
	apply(f, event_mmap(1, 2, 10, 4));
	model__lost(f->model, 200, &lost);
	apply(f, event_fork(3, 200, NEW_START, false));
	assert_string_equal(shown(f, TGID), "10-14 ");
	assert_string_equal(shown(f, 200), "12-14 ");
	assert_int_equal(knowledge(f, 200), KNOWS_RESYNCED);
}

/* An exec that came before the loss does not make the new program's ledger sure. */
static void test_doubt_outlives_an_exec(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {10 * PAGE, 12 * PAGE, 50, 1};

	apply(f, event_mmap(1, 1, 30, 1));
	model__lost(f->model, TGID, &lost);
	apply(f, event_exec(10, PAGE));
	apply(f, event_mmap(1, 20, 10, 4));
	assert_string_equal(shown(f, TGID), "12-14 ");
	assert_int_equal(knowledge(f, TGID), KNOWS_RESYNCED);
	apply(f, event_exec(70, PAGE));
	apply(f, event_mmap(1, 80, 10, 4));
	assert_string_equal(shown(f, TGID), "10-14 ");
	assert_int_equal(knowledge(f, TGID), KNOWS_ALL);
}

/* The lost event may have been the exec of a vfork child: what it does next is not the parent's. */
static void test_loss_parts_a_vfork_child(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {0, UINT64_MAX, 50, 1};

	apply(f, event_mmap(1, 2, 10, 4));
	apply(f, event_fork(3, 200, NEW_START, true));
	model__lost(f->model, 200, &lost);
	apply(f, by(event_mmap(200, 60, 30, 1), 200, NEW_START));
	assert_string_equal(shown(f, TGID), "10-14 ");
	assert_string_equal(shown(f, 200), "30-31 ");
}

static void test_dead_processes_are_removed(void **state)
{
	struct fixture *f = *state;
	struct known_process *known;
	size_t n;

	apply(f, event_mmap(1, 5, 10, 4));
	assert_int_equal(model__processes(f->model, &known, &n), 0);
	assert_int_equal(n, 1);
	model__process_is_gone(f->model, TGID, known->start_ticks + 1);
	assert_string_equal(shown(f, TGID), "10-14 ");
	model__process_is_gone(f->model, TGID, known->start_ticks);
	assert_string_equal(shown(f, TGID), "none");
	assert_int_equal(resyncs(f, RESYNC_DEAD_PROCESS), 1);
	free(known);
}

#ifdef __SANITIZE_ADDRESS__
/* sanitizer/allocator_interface.h, which comes with clang only */
size_t __sanitizer_get_current_allocated_bytes(void);
#define allocated_bytes() __sanitizer_get_current_allocated_bytes()
#else
#define allocated_bytes() mallinfo2().uordblks
#endif

/* A process that forks a thousand children must not cost a thousand ledgers. */
static void test_forks_are_cheap(void **state)
{
	struct fixture *f = *state;
	size_t before, after;

	for (unsigned i = 0; i < 5000; i++)
		apply(f, event_mmap(1, 5, 10 + 2 * i, 1));
	before = allocated_bytes();
	for (unsigned child = 0; child < 1000; child++) {
		apply(f, event_fork(10, 1000 + child, NEW_START, false));
		apply(f, by(event_mmap(1, 20, 5000, 1), 1000 + child, NEW_START));
	}
	after = allocated_bytes();
	/* 1000 ledgers of 5000 ranges would be 400 MB */
	assert_in_range(after - before, 1, 8 << 20);
	assert_int_equal(strlen(shown(f, 1999)) > 0, 1);
}

/* --- stacks ------------------------------------------------------------------------------------
 */

struct asked {
	struct raw_stack last;
	unsigned times;
};

static bool keep_stack(const struct raw_stack *raw, void *ctx)
{
	struct asked *asked = ctx;

	asked->last = *raw;
	asked->times++;
	trace__ref(raw->trace);
	return true;
}

static void answer(struct model *model, const struct asked *asked, bool provisional)
{
	struct unwound unwound = {.source = STACK_SOURCE_FP,
				  .lasts = provisional ? STACK_IS_ONCE : STACK_LASTS};
	struct callsite *site = calloc(1, sizeof(*site));

	site->refs = 1;
	model__stack_was_unwound(model, &asked->last, &unwound, site);
	callsite__unref(site);
	trace__unref(asked->last.trace);
}

/* A stack that is known is not unwound again; one of which little could be said for once, is. */
static void test_stacks_are_learned(void **state)
{
	struct asked asked = {};
	struct model *model = model__new(&(struct model_config){.page_size = PAGE,
								.attached_ns = ATTACHED_NS,
								.on_stack = keep_stack,
								.stack_ctx = &asked});
	struct {
		struct mp_event_mmap mmap;
		struct mp_stack head;
		uint64_t ips[2];
	} e = {.mmap = event_mmap(1, NEW_START, 10, 1).mmap,
	       .head = {.kind = MP_STACK_FP, .bytes = sizeof(e.ips)},
	       .ips = {0x1000, 0x2000}};

	e.mmap.head.stack_bytes = sizeof(e.head) + sizeof(e.ips);
	model__apply(model, (const union mp_event *)&e);
	assert_int_equal(asked.times, 1);
	answer(model, &asked, true);
	model__apply(model, (const union mp_event *)&e);
	assert_int_equal(asked.times, 2);
	answer(model, &asked, false);
	model__apply(model, (const union mp_event *)&e);
	assert_int_equal(asked.times, 2);
	e.ips[1]++;
	model__apply(model, (const union mp_event *)&e);
	assert_int_equal(asked.times, 3);
	answer(model, &asked, false);
	model__free(model);
}

static void keep_interpreter(const struct interpreter *interpreter, void *ret)
{
	*(struct interpreter *)ret = *interpreter;
}

/* What is found in it later is for the program that had mapped it. */
static void test_an_interpreter_is_of_a_program(void **state)
{
	struct interpreter found = {};
	struct model *model = model__new(&(struct model_config){.page_size = PAGE,
								.attached_ns = ATTACHED_NS,
								.on_interpreter = keep_interpreter,
								.stack_ctx = &found});
	union mp_event e = {.interpreter = {.head = event_head(MP_EVENT_INTERPRETER, 1, NEW_START),
					    .file = {.inode = 7},
					    .addr = 0x1000}};

	model__apply(model, &e);
	assert_int_equal(found.tgid, TGID);
	assert_int_equal(found.start_ticks, START_NS / NSEC_PER_TICK);
	assert_int_equal(found.seen_ns, NEW_START);
	assert_int_equal(found.addr, 0x1000);
	assert_true(found.has_file && found.file.inode == 7);
	assert_true(model__is_in_space(model, &found));
	found.start_ticks++;
	assert_false(model__is_in_space(model, &found));
	found.start_ticks--;
	e = (union mp_event){.exec = {.head = event_head(MP_EVENT_EXEC, 1, NEW_START + 1)}};
	model__apply(model, &e);
	assert_false(model__is_in_space(model, &found));
	model__free(model);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_exec_clears),
		TEST(test_fork_then_each_its_own),
		TEST(test_whose_pages_are_its_own),
		TEST(test_whose_pages_are_its_own_is_lost),
		TEST(test_vfork_shares_until_exec),
		TEST(test_exit_and_reuse),
		TEST(test_what_was_there_before_us),
		TEST(test_learning_spares_what_is_newer),
		TEST(test_learning_the_wrong_space),
		TEST(test_losses),
		TEST(test_doubt_does_not_travel),
		TEST(test_moves_of_what_is_doubtful),
		TEST(test_doubtful_names_do_not_grow),
		TEST(test_losses_of_the_unborn),
		TEST(test_doubt_outlives_an_exec),
		TEST(test_loss_parts_a_vfork_child),
		TEST(test_dead_processes_are_removed),
		TEST(test_forks_are_cheap),
		TEST(test_stacks_are_learned),
		TEST(test_an_interpreter_is_of_a_program),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
