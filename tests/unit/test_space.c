// SPDX-License-Identifier: BSD-2-Clause
/* What each event about memory does to an address space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>

#include "events.h"
#include "model/changes.h"
#include "util/cleanup.h"

struct fixture {
	struct space_tools tools;
	struct space *space;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->tools.page_size = PAGE;
	f->tools.pool = ledger_pool__new();
	f->space = space__new(&f->tools);
	f->space->heap_end = HEAP_END_AT_START;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	space__unref(f->space);
	ledger_pool__free(f->tools.pool);
	free(f);
	return 0;
}

static int apply(struct fixture *f, union mp_event e)
{
	return changes__apply(f->space, &e, NULL);
}

/* "10-14@7 " is pages 10 to 14, by thread 7; the origin's letter stands before anything but mmap,
 * and the name behind. */
static int print_range(const struct ledger_range *range, void *ctx)
{
	static const char origins[ORIGINS] = {[ORIGIN_BRK] = 'b',
					      [ORIGIN_MREMAP] = 'r',
					      [ORIGIN_SHMAT] = 's',
					      [ORIGIN_UNKNOWN] = '?'};
	char *text = ctx + strlen(ctx);

	if (origins[range->record->origin])
		*text++ = origins[range->record->origin];
	text += sprintf(text, "%llu-%llu@%u", (unsigned long long)(range->start / PAGE),
			(unsigned long long)(range->end / PAGE), range->record->tid);
	if (range->name)
		text += sprintf(text, "=%s", range->name->text);
	strcpy(text, " ");
	return 0;
}

#define assert_space(f, expected)                                                                  \
	do {                                                                                       \
		char text_[4096] = "";                                                             \
                                                                                                   \
		ledger__each(&(f)->space->ledger, 0, UINT64_MAX, print_range, text_);              \
		assert_string_equal(text_, expected);                                              \
	} while (0)

static void test_mmap_fixed_replaces(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 10));
	apply(f, event_mmap(2, 2, 12, 3));
	assert_space(f, "10-12@1 12-15@2 15-20@1 ");
}

static int keep_range(const struct ledger_range *range, void *ctx)
{
	*(struct ledger_range *)ctx = *range;
	return 1;
}

/* Maps pages with a stack of its own; what the record says that they were reserved by. */
static struct trace *map_with(struct fixture *f, struct trace *trace, uint64_t at, uint64_t pages,
			      int flags)
{
	union mp_event e = event_mmap(1, 1, at, pages);
	struct ledger_range range = {0};

	e.mmap.flags = flags;
	assert_int_equal(changes__apply(f->space, &e, trace), 0);
	ledger__each(&f->space->ledger, at * PAGE, (at + 1) * PAGE, keep_range, &range);
	assert_ptr_equal(range.record->trace, trace);
	return range.record->reservation;
}

/* A runtime reserves addresses, and makes memory of pieces, and nothing of them again. */
static void test_reservations(void **state)
{
	struct fixture *f = *state;
	struct trace *heap = trace__new(), *tables = trace__new(), *commit = trace__new();

	assert_null(map_with(f, heap, 100, 50, 0));
	assert_null(map_with(f, tables, 150, 50, 0));
	assert_ptr_equal(map_with(f, commit, 100, 10, MAP_FIXED), heap);
	assert_ptr_equal(map_with(f, commit, 150, 10, MAP_FIXED), tables);
	/* again, over what was memory already, and what was not yet */
	assert_ptr_equal(map_with(f, commit, 105, 3, MAP_FIXED), heap);
	assert_ptr_equal(map_with(f, commit, 102, 20, MAP_FIXED), heap);
	/* over two of them, over a hole, over what has no stack, or where the kernel put it */
	assert_null(map_with(f, commit, 140, 20, MAP_FIXED));
	assert_null(map_with(f, commit, 190, 20, MAP_FIXED));
	assert_null(map_with(f, NULL, 300, 10, 0));
	assert_null(map_with(f, commit, 302, 2, MAP_FIXED));
	assert_null(map_with(f, commit, 125, 2, 0));
	trace__unref(heap);
	trace__unref(tables);
	trace__unref(commit);
}

static void test_munmap_in_the_middle(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 10));
	apply(f, event_munmap(2, 13, 2));
	assert_space(f, "10-13@1 15-20@1 ");
	apply(f, event_munmap(3, 0, 100));
	assert_space(f, "");
}

/* The kernel refuses these, or rounds them: so do we. */
static void test_odd_arguments(void **state)
{
	struct fixture *f = *state;
	union mp_event e = event_munmap(2, 13, 2);

	apply(f, event_mmap(1, 1, 10, 10));
	e.range.addr += 1; /* within a page: EINVAL */
	assert_int_equal(apply(f, e), -EINVAL);
	e = event_munmap(2, 13, 0); /* nothing: EINVAL */
	assert_int_equal(apply(f, e), -EINVAL);
	e = event_munmap(2, 13, 2);
	e.range.len = UINT64_MAX - 5; /* wraps: EINVAL */
	assert_int_equal(apply(f, e), -EINVAL);
	assert_space(f, "10-20@1 ");
	e = event_munmap(2, 13, 2);
	e.range.len -= 100; /* rounded up to pages */
	assert_int_equal(apply(f, e), 0);
	assert_space(f, "10-13@1 15-20@1 ");
}

static void test_huge_pages_round_further(void **state)
{
	struct fixture *f = *state;
	union mp_event e = event_mmap(1, 1, 512, 1);

	e.mmap.flags = MAP_ANONYMOUS | MAP_HUGETLB;
	apply(f, e);
	assert_space(f, "512-1024@1 ");
	e = event_mmap(1, 1, 2048, 17);
	e.mmap.flags = MAP_ANONYMOUS | MAP_HUGETLB | 16 << 26; /* MAP_HUGE_64KB */
	apply(f, e);
	assert_space(f, "512-1024@1 2048-2080@1 ");
	e = event_mmap(1, 1, 4096, 1);
	e.mmap.len = 100;
	e.mmap.flags = MAP_ANONYMOUS | MAP_HUGETLB | 1 << 26; /* a fuzzer's: pages of two bytes */
	apply(f, e);
	assert_space(f, "512-1024@1 2048-2080@1 4096-4097@1 ");
}

static void test_mremap_moves_and_grows(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, event_name(2, 10, 2, "cache"));
	apply(f, event_mremap_enter(3, 3, 10, 4));
	apply(f, event_mremap(3, 4, 10, 4, 50, 8, MREMAP_MAYMOVE));
	/* what was there keeps creator and name, what came is the mremap's */
	assert_space(f, "50-52@1=cache 52-54@1 r54-58@3 ");
}

static void test_mremap_in_place(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, event_mremap(3, 4, 10, 4, 10, 6, 0));
	assert_space(f, "10-14@1 r14-16@3 ");
	apply(f, event_mremap(3, 5, 10, 6, 10, 9, 0)); /* grown again by the same: one creation */
	assert_space(f, "10-14@1 r14-19@3 ");
	apply(f, event_mremap(3, 6, 10, 9, 10, 2, 0));
	assert_space(f, "10-12@1 ");
}

/* While thread 3 moves pages away, thread 4 maps where they were, and is recorded first. */
static void test_mremap_overtaken(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, event_mremap_enter(3, 3, 10, 4));
	apply(f, event_mmap(4, 4, 11, 2));
	apply(f, event_mremap(3, 5, 10, 4, 50, 4, MREMAP_MAYMOVE));
	assert_space(f, "11-13@4 50-54@1 ");
}

static void test_mremap_fails(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, event_mremap_enter(3, 3, 10, 4));
	apply(f, event_mremap(3, 5, 10, 4, 0, 8, 0));
	assert_space(f, "10-14@1 ");
	assert_null(f->space->transits);
}

/* The end of the first one was lost. */
static void test_mremap_begins_anew(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mremap_enter(3, 1, 10, 4));
	apply(f, event_mmap(1, 2, 10, 4));
	apply(f, event_mremap_enter(3, 3, 10, 4));
	apply(f, event_mremap(3, 4, 10, 4, 50, 4, MREMAP_MAYMOVE));
	assert_space(f, "50-54@1 ");
	assert_null(f->space->transits);
}

static void test_mremap_dontunmap_and_duplicate(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, event_mremap(3, 4, 10, 4, 50, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	assert_space(f, "10-14@1 50-54@1 ");
	/* an old length of 0 maps shared memory once more */
	apply(f, event_mremap(3, 5, 10, 0, 80, 4, MREMAP_MAYMOVE));
	assert_space(f, "10-14@1 50-54@1 r80-84@3 ");
}

/* Threads that died within mremap must not pile up. */
static void test_transits_are_bounded(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	for (unsigned tid = 1; tid < 1000; tid++)
		apply(f, event_mremap_enter(tid, tid, 10, 4));
	for (const void *const *t = (void *)f->space->transits; t; t = *t)
		n++;
	assert_in_range(n, 1, 16);
}

static void test_brk(void **state)
{
	struct fixture *f = *state;

	apply(f, event_brk(1, 1, 20 * PAGE, 22 * PAGE + 100));
	assert_space(f, "b20-23@1 ");
	apply(f, event_brk(1, 2, 20 * PAGE, 30 * PAGE));
	assert_space(f, "b20-30@1 ");
	apply(f, event_brk(2, 3, 20 * PAGE, 32 * PAGE));
	assert_space(f, "b20-30@1 b30-32@2 ");
	apply(f, event_brk(2, 4, 20 * PAGE, 25 * PAGE));
	assert_space(f, "b20-25@1 ");
}

/* The heap of a process that lost events: where it was before is not known, so nothing is said. */
static void test_brk_unknown(void **state)
{
	struct fixture *f = *state;

	f->space->heap_end = HEAP_END_UNKNOWN;
	apply(f, event_name(1, 25, 10, "a gap")); /* the property test's: it is mapped only later */
	apply(f, event_brk(1, 2, 20 * PAGE, 30 * PAGE));
	assert_space(f, "?30-35@0=a gap ");
	apply(f, event_munmap(3, 30, 5));
	assert_space(f, "");
	apply(f, event_brk(1, 2, 20 * PAGE, 31 * PAGE));
	assert_space(f, "b30-31@1 ");
}

/* What was lost from before a brk says nothing about where the heap ends since: what lay within the
 * heap has gone with the brk that shrank it, and the next one goes over it. */
static void test_brk_after_a_loss(void **state)
{
	struct fixture *f = *state;

	apply(f, event_brk(1, 1, 20 * PAGE, 30 * PAGE));
	changes__suspect(f->space, 20 * PAGE, 40 * PAGE, 2);
	apply(f, event_mmap(2, 3, 26, 1));
	apply(f, event_brk(1, 4, 20 * PAGE, 25 * PAGE));
	changes__drop_suspect(f->space);
	assert_space(f, "26-27@2 ");
	apply(f, event_brk(1, 5, 20 * PAGE, 30 * PAGE));
	assert_space(f, "b25-30@1 ");
	/* and when the brk itself is from before the loss, it does */
	apply(f, event_brk(1, 6, 20 * PAGE, 31 * PAGE));
	changes__suspect(f->space, 20 * PAGE, 40 * PAGE, 7);
	changes__drop_suspect(f->space);
	apply(f, event_brk(1, 8, 20 * PAGE, 32 * PAGE));
	assert_space(f, "");
	apply(f, event_brk(1, 9, 20 * PAGE, 33 * PAGE));
	assert_space(f, "b32-33@1 ");
}

static void test_names(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 1, 10, 4));
	apply(f, event_mmap(2, 1, 14, 4));
	apply(f, event_name(2, 12, 4, "over both"));
	assert_space(f, "10-12@1 12-14@1=over both 14-16@2=over both 16-18@2 ");
	apply(f, event_name(3, 10, 4, NULL));
	assert_space(f, "10-14@1 14-16@2=over both 16-18@2 ");
	/* where nothing is known, the name is, all the same */
	apply(f, event_name(4, 17, 2, "late"));
	assert_space(f, "10-14@1 14-16@2=over both 16-17@2 17-18@2=late ?18-19@0=late ");
	/* a mapping in its place has no name */
	apply(f, event_mmap(5, 5, 17, 2));
	assert_space(f, "10-14@1 14-16@2=over both 16-17@2 17-19@5 ");
}

static void test_shm(void **state)
{
	struct fixture *f = *state;
	union mp_event at = {.shmat = {.head = event_head(MP_EVENT_SHMAT, 1, 1),
				       .addr = 10 * PAGE,
				       .len = 4 * PAGE}};
	union mp_event detach = {
		.shmdt = {.head = event_head(MP_EVENT_SHMDT, 1, 2), .addr = 10 * PAGE}};
	union mp_event failed;

	apply(f, at);
	at.shmat.addr = 14 * PAGE;
	apply(f, at);
	apply(f, event_mmap(1, 1, 18, 1));
	assert_space(f, "s10-14@1 s14-18@1 18-19@1 ");
	assert_int_equal(apply(f, detach), 0);
	assert_space(f, "s14-18@1 18-19@1 ");
	assert_int_equal(apply(f, detach), -EINVAL); /* nothing is attached there any more */
	detach.shmdt.addr = 18 * PAGE;
	assert_int_equal(apply(f, detach), -EINVAL); /* that is not shared memory */
	detach.shmdt.addr = 15 * PAGE; /* within an attachment, or within a page: refused */
	assert_int_equal(apply(f, detach), -EINVAL);
	detach.shmdt.addr = 14 * PAGE + 1;
	assert_int_equal(apply(f, detach), -EINVAL);
	assert_space(f, "s14-18@1 18-19@1 ");
	apply(f, event_mmap(2, 3, 14, 2)); /* its beginning was replaced: the rest goes */
	detach.shmdt.addr = 14 * PAGE;
	assert_int_equal(apply(f, detach), 0);
	assert_space(f, "14-16@2 18-19@1 ");

	/* The property test's, seed 97: an attachment that was moved is detached where it went. */
	at.shmat.addr = 30 * PAGE;
	apply(f, at);
	apply(f, event_mremap(1, 4, 30, 3, 50, 3, MREMAP_MAYMOVE));
	detach.shmdt.addr = 50 * PAGE;
	assert_int_equal(apply(f, detach), 0);
	assert_space(f, "14-16@2 18-19@1 s33-34@1 ");
	/* One that was mapped a second time is detached there, too. */
	at.shmat.addr = 40 * PAGE;
	apply(f, at);
	apply(f, event_mremap(1, 4, 40, 0, 60, 3, MREMAP_MAYMOVE));
	assert_space(f, "14-16@2 18-19@1 s33-34@1 s40-44@1 r60-63@1 ");
	detach.shmdt.addr = 60 * PAGE;
	assert_int_equal(apply(f, detach), 0);
	detach.shmdt.addr = 40 * PAGE;
	assert_int_equal(apply(f, detach), 0);
	assert_space(f, "14-16@2 18-19@1 s33-34@1 ");
	/* Another one at the same place does not take what is left of the first with it. */
	at.shmat.addr = detach.shmdt.addr = 30 * PAGE;
	at.shmat.len = 2 * PAGE;
	apply(f, at);
	assert_int_equal(apply(f, detach), 0);
	assert_space(f, "14-16@2 18-19@1 s33-34@1 ");
	/* The property test's, seed 775753592: an mremap that failed left a name where it took the
	 * attachment's first page away. What is before the attachment keeps that name. */
	at.shmat.addr = detach.shmdt.addr = 40 * PAGE;
	at.shmat.len = 4 * PAGE;
	apply(f, at);
	failed = event_mremap(1, 6, 38, 3, 70, 3, MREMAP_MAYMOVE | MREMAP_FIXED);
	failed.mremap.failed = 1;
	apply(f, failed);
	apply(f, event_name(7, 38, 3, "late"));
	assert_space(f, "14-16@2 18-19@1 s33-34@1 ?38-41@0=late s41-44@1 ");
	assert_int_equal(apply(f, detach), 0);
	assert_space(f, "14-16@2 18-19@1 s33-34@1 ?38-40@0=late ");
}

/* glibc maps guard, stack and thread descriptor at once, and tells clone3 of the stack alone. */
static void test_stacks(void **state)
{
	struct fixture *f = *state;
	union mp_event e = event_mmap(1, 1, 10, 20);

	apply(f, e);
	apply(f, event_thread(2, 7, 11, 29));
	assert_space(f, "10-30@1=pool/7 ");
	apply(f, event_comm(3, 7, "worker"));
	assert_space(f, "10-30@1=worker/7 ");
	/* the thread has ended, and the next one gets its stack; renaming the dead one is nothing
	 */
	apply(f, event_thread(4, 8, 11, 29));
	apply(f, event_comm(5, 7, "ghost"));
	assert_space(f, "10-30@1=pool/8 ");
	apply(f, event_munmap(6, 10, 20));
	apply(f, event_comm(7, 8, "ghost"));
	assert_space(f, "");
}

static void test_what_is_no_stack(void **state)
{
	struct fixture *f = *state;
	union mp_event e = event_mmap(1, 1, 10, 1000);

	/* a stack cut out of something larger is that part only */
	apply(f, e);
	apply(f, event_thread(2, 7, 100, 110));
	assert_space(f, "10-100@1 100-110@1=pool/7 110-1010@1 ");
	/* only its top is known, as with Go's, which lie in its heap: nothing is said */
	apply(f, event_thread(3, 8, 0, 500));
	assert_space(f, "10-100@1 100-110@1=pool/7 110-1010@1 ");
	/* but what was mapped for a stack is one */
	e = event_mmap(2, 4, 2000, 8);
	e.mmap.flags = MAP_STACK;
	apply(f, e);
	apply(f, event_thread(5, 9, 0, 2008));
	assert_space(f, "10-100@1 100-110@1=pool/7 110-1010@1 2000-2008@2=pool/9 ");
	/* and what the program has named keeps its name */
	apply(f, event_name(6, 2000, 8, "mine"));
	apply(f, event_thread(7, 9, 2001, 2008));
	apply(f, event_comm(8, 9, "x"));
	assert_space(f, "10-100@1 100-110@1=pool/7 110-1010@1 2000-2008@2=mine ");
}

/* A program that starts threads without end, on stacks that it unmaps. */
static void test_stacks_are_bounded(void **state)
{
	struct fixture *f = *state;

	for (unsigned tid = 10; tid < 100000; tid++) {
		assert_int_equal(apply(f, event_mmap(1, tid, 10, 2)), 0);
		assert_int_equal(apply(f, event_thread(tid, tid, 10, 12)), 0);
	}
	assert_space(f, "10-12@1=pool/99999 ");
}

static void test_fork_copies(void **state)
{
	struct fixture *f = *state;
	struct fixture child = {0};

	apply(f, event_mmap(1, 1, 10, 4));
	child.space = space__fork(f->space);
	apply(f, event_munmap(2, 10, 2));
	assert_space(f, "12-14@1 ");
	assert_space(&child, "10-14@1 ");
	assert_int_not_equal(child.space->id, f->space->id);
	changes__apply(child.space, &(union mp_event){.mmap = event_mmap(9, 3, 20, 1).mmap}, NULL);
	assert_space(f, "12-14@1 ");
	assert_space(&child, "10-14@1 20-21@9 ");
	space__unref(child.space);
}

static void test_every_change_counts(void **state)
{
	struct fixture *f = *state;
	uint64_t before = f->space->generation;

	apply(f, event_munmap(2, 13, 2)); /* of nothing: it may have raced with us all the same */
	assert_true(f->space->generation > before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_mmap_fixed_replaces),
		TEST(test_munmap_in_the_middle),
		TEST(test_reservations),
		TEST(test_odd_arguments),
		TEST(test_huge_pages_round_further),
		TEST(test_mremap_moves_and_grows),
		TEST(test_mremap_in_place),
		TEST(test_mremap_overtaken),
		TEST(test_mremap_fails),
		TEST(test_mremap_begins_anew),
		TEST(test_mremap_dontunmap_and_duplicate),
		TEST(test_transits_are_bounded),
		TEST(test_brk),
		TEST(test_brk_unknown),
		TEST(test_brk_after_a_loss),
		TEST(test_names),
		TEST(test_shm),
		TEST(test_stacks),
		TEST(test_what_is_no_stack),
		TEST(test_stacks_are_bounded),
		TEST(test_fork_copies),
		TEST(test_every_change_counts),
	};

	return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
