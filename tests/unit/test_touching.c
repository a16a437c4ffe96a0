// SPDX-License-Identifier: BSD-2-Clause
/* Samples of first touches go where their pages go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "events.h"
#include "model/model.h"
#include "proc/procfs.h"

#define CHILD 200
#define MANY  256

struct fixture {
	struct model *model;
	struct raw_stack waiting[MANY];
	uint64_t ips[MANY];
	size_t n;
	uint64_t now;
	bool present; /* pages that are touched are there already */
	struct budget *budget;
};

static bool take_stack(const struct raw_stack *raw, void *ctx)
{
	struct fixture *f = ctx;

	trace__ref(raw->trace);
	f->waiting[f->n] = *raw;
	f->ips[f->n++] = *(const uint64_t *)raw->stack->data;
	return true;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->budget = budget__new(64 << 20);
	f->model = model__new(&(struct model_config){
		.page_size = PAGE, .budget = f->budget, .on_stack = take_stack, .stack_ctx = f});
	f->now = START_NS;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	static const struct unwound nothing;
	struct fixture *f = *state;

	for (size_t i = 0; i < f->n; i++) {
		model__stack_was_unwound(f->model, &f->waiting[i], &nothing, NULL);
		trace__unref(f->waiting[i].trace);
	}
	model__free(f->model);
	budget__unref(f->budget);
	free(f);
	return 0;
}

static void apply(struct fixture *f, union mp_event e)
{
	model__apply(f->model, &e);
}

static struct mp_event_head head(struct fixture *f, unsigned type, unsigned tgid)
{
	struct mp_event_head head = event_head(type, tgid, ++f->now);

	head.tgid = tgid;
	head.start_ns = tgid == TGID ? START_NS : 2 * START_NS;
	return head;
}

/* `who` touches the page. */
static void touch_as(struct fixture *f, unsigned tgid, unsigned page, char who, uint64_t when,
		     unsigned faults)
{
	struct {
		struct mp_event_touch event;
		struct mp_stack stack;
		uint64_t ip;
	} record = {.event = {.head = head(f, MP_EVENT_TOUCH, tgid),
			      .addr = page * PAGE + 123,
			      .faults = faults,
			      .present = f->present},
		    .stack = {.kind = MP_STACK_FP, .bytes = 8},
		    .ip = who};
	const union mp_event *event;

	if (when)
		record.event.head.time_ns = when;
	record.event.head.stack_bytes = sizeof(record.stack) + sizeof(record.ip);
	assert_int_equal(event__decode(&record, sizeof(record), &event), 0);
	model__apply(f->model, event);
}

static void touch_at(struct fixture *f, unsigned tgid, unsigned page, char who, uint64_t when)
{
	touch_as(f, tgid, page, who, when, 1);
}

static void touch_many(struct fixture *f, unsigned tgid, unsigned page, char who, unsigned faults)
{
	touch_as(f, tgid, page, who, 0, faults);
}

/* Each letter touches one page, from `page` on. */
static void touch(struct fixture *f, unsigned tgid, unsigned page, const char *who)
{
	for (; *who; who++, page++) {
		if (*who != '.')
			touch_at(f, tgid, page, *who, 0);
	}
}

static void empty(struct fixture *f, unsigned tgid, uint64_t at, uint64_t pages)
{
	apply(f, (union mp_event){.range = {.head = head(f, MP_EVENT_EMPTY, tgid),
					    .addr = at * PAGE,
					    .len = pages * PAGE}});
}

struct printing {
	struct fixture *f;
	char *text;
};

static int print(const struct touch *touch, void *ctx)
{
	struct printing *p = ctx;
	size_t i = 0;

	while (p->f->waiting[i].trace != touch->trace)
		i++;
	sprintf(p->text + strlen(p->text), "%d%c ", (int)(touch->addr / PAGE), (int)p->f->ips[i]);
	return 0;
}

static int add_faults(const struct touch *touch, void *ctx)
{
	*(unsigned *)ctx += touch->faults;
	return 0;
}

static unsigned sum(const struct touches *touches)
{
	unsigned sum = 0;

	touches__each(touches, 0, UINT64_MAX, add_faults, &sum);
	return sum;
}

#define assert_touches(f, tgid, expected)                                                          \
	do {                                                                                       \
		char text_[1024] = "";                                                             \
		struct printing p_ = {f, text_};                                                   \
		struct view view_;                                                                 \
                                                                                                   \
		assert_int_equal(model__view((f)->model, tgid, &view_), 0);                        \
		touches__each(&view_.touches, 0, UINT64_MAX, print, &p_);                          \
		view__free(&view_);                                                                \
		assert_string_equal(text_, expected);                                              \
	} while (0)

static void test_the_first_touch_counts(void **state)
{
	struct fixture *f = *state;
	struct view before, after;

	apply(f, event_mmap(1, ++f->now, 10, 10));
	touch(f, TGID, 10, "AB");
	assert_int_equal(model__view(f->model, TGID, &before), 0);
	touch(f, TGID, 10, "CCC");
	assert_touches(f, TGID, "10A 11B 12C ");
	/* To touch memory changes no map: a report that was begun still holds. */
	assert_true(model__view_holds(f->model, &before));
	assert_int_equal(model__view(f->model, TGID, &after), 0);
	assert_int_equal(touches__count(&before.touches), 2);
	view__free(&before);
	view__free(&after);
}

static void test_samples_go_with_their_pages(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, ++f->now, 10, 20));
	touch(f, TGID, 10, "AAAAAAAA");
	apply(f, event_munmap(++f->now, 11, 1));
	apply(f, event_mmap(1, ++f->now, 13, 1)); /* MAP_FIXED */
	empty(f, TGID, 15, 2);
	assert_touches(f, TGID, "10A 12A 14A 17A ");
	touch(f, TGID, 10, "BBBBBBBB");
	assert_touches(f, TGID, "10A 11B 12A 13B 14A 15B 16B 17A ");
	/* What the kernel refuses empties nothing. */
	empty(f, TGID, 10, 0);
	apply(f, (union mp_event){.range = {.head = head(f, MP_EVENT_EMPTY, TGID),
					    .addr = 10 * PAGE + 1,
					    .len = PAGE}});
	apply(f, event_exec(++f->now, 0));
	assert_touches(f, TGID, "");
}

static void test_the_heap_takes_them_along(void **state)
{
	struct fixture *f = *state;

	apply(f, event_exec(++f->now, 10 * PAGE));
	apply(f, event_brk(1, ++f->now, 10 * PAGE, 20 * PAGE));
	touch(f, TGID, 15, "AAAAA");
	apply(f, event_brk(1, ++f->now, 10 * PAGE, 17 * PAGE + 5));
	assert_touches(f, TGID, "15A 16A 17A ");
}

static void test_mremap_moves_them(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, ++f->now, 10, 5));
	apply(f, event_mmap(1, ++f->now, 40, 5));
	touch(f, TGID, 10, "ABCDE");
	touch(f, TGID, 40, "XXXXX");
	/* Moves to where something else was, and shrinks. */
	apply(f, event_mremap_enter(1, ++f->now, 10, 5));
	apply(f, event_mremap(1, ++f->now, 10, 5, 41, 3, MREMAP_MAYMOVE | MREMAP_FIXED));
	assert_touches(f, TGID, "40X 41A 42B 43C 44X ");
	/* Shrinks in place; grows and moves; another thread maps what it left before it tells. */
	apply(f, event_mremap_enter(1, ++f->now, 41, 3));
	apply(f, event_mremap(1, ++f->now, 41, 3, 41, 2, 0));
	assert_touches(f, TGID, "40X 41A 42B 44X ");
	apply(f, event_mremap_enter(1, ++f->now, 41, 2));
	apply(f, event_mmap(2, ++f->now, 41, 2));
	touch(f, TGID, 41, "ZZ");
	apply(f, event_mremap(1, ++f->now, 41, 2, 60, 4, MREMAP_MAYMOVE));
	assert_touches(f, TGID, "40X 41Z 42Z 44X 60A 61B ");
	/* Shared memory that is mapped a second time is touched anew there. */
	apply(f, event_mremap_enter(1, ++f->now, 60, 0));
	apply(f, event_mremap(1, ++f->now, 60, 0, 80, 2, MREMAP_MAYMOVE));
	assert_touches(f, TGID, "40X 41Z 42Z 44X 60A 61B ");
	/* One that failed moved nothing, unless it was to move several mappings. */
	apply(f, event_mremap_enter(1, ++f->now, 60, 4));
	union mp_event failed = event_mremap(1, ++f->now, 60, 4, 90, 8, MREMAP_MAYMOVE);
	failed.mremap.failed = 1;
	apply(f, failed);
	assert_touches(f, TGID, "40X 41Z 42Z 44X 60A 61B ");
}

static void test_shmdt_takes_them_along(void **state)
{
	struct fixture *f = *state;

	apply(f, (union mp_event){.shmat = {.head = head(f, MP_EVENT_SHMAT, TGID),
					    .addr = 10 * PAGE,
					    .len = 3 * PAGE}});
	apply(f, event_mmap(1, ++f->now, 13, 1));
	touch(f, TGID, 10, "AAAA");
	apply(f, (union mp_event){
			 .shmdt = {.head = head(f, MP_EVENT_SHMDT, TGID), .addr = 10 * PAGE}});
	assert_touches(f, TGID, "13A ");
}

static void test_a_child_has_its_parents(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, ++f->now, 10, 10));
	touch(f, TGID, 10, "AAAA");
	apply(f, event_fork(++f->now, CHILD, 2 * START_NS, false));
	f->present = true;
	touch(f, TGID, 11, "P");  /* the parent's page stays its first toucher's, */
	touch(f, TGID, 14, "P");  /* also one that was not sampled */
	touch(f, CHILD, 12, "C"); /* the child's is a new one */
	touch(f, CHILD, 12, "D"); /* which has its first toucher, too */
	f->present = false;
	touch(f, CHILD, 15, "E");
	assert_touches(f, TGID, "10A 11A 12A 13A ");
	assert_touches(f, CHILD, "10A 11A 12C 13A 15E ");
}

/* A sample of the parent that stands for 8 pages, of which the child has written 3. */
static void test_copies_count_against_the_parents(void **state)
{
	struct fixture *f = *state;
	struct view view;

	apply(f, event_mmap(1, ++f->now, 10, 10));
	touch_many(f, TGID, 12, 'A', 8);
	apply(f, event_fork(++f->now, CHILD, 2 * START_NS, false));
	f->present = true;
	touch(f, CHILD, 10, "CC");
	f->present = false;
	apply(f, by(event_mmap(1, ++f->now, 20, 10), CHILD, 2 * START_NS));
	touch(f, CHILD, 20, "DDDD"); /* no copies: the parent had nothing there */
	f->present = true;
	touch(f, CHILD, 20, "E"); /* somebody wants to know of writes */
	touch(f, CHILD, 14, "C");
	assert_touches(f, CHILD, "10C 11C 12A 14C 20D 21D 22D 23D ");
	assert_int_equal(model__view(f->model, CHILD, &view), 0);
	assert_int_equal(sum(&view.touches), 5 + 3 + 4);
	view__free(&view);
	assert_int_equal(model__view(f->model, TGID, &view), 0);
	assert_int_equal(sum(&view.touches), 8);
	view__free(&view);
}

/* threads, and a vfork child until its exec */
static void test_a_shared_space_has_one_set(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, ++f->now, 10, 10));
	touch(f, TGID, 10, "AA");
	apply(f, event_fork(++f->now, CHILD, 2 * START_NS, true));
	touch(f, CHILD, 11, "CC");
	assert_touches(f, TGID, "10A 11A 12C ");
}

static void test_lost_events_take_samples(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {.lo = 11 * PAGE, .hi = 13 * PAGE, .events = 1};
	uint64_t before;

	apply(f, event_mmap(1, ++f->now, 10, 10));
	touch(f, TGID, 10, "AAAA");
	before = f->now;
	lost.last_ns = f->now += 10;
	model__empty_lost(f->model, TGID, &lost);
	assert_touches(f, TGID, "10A 13A ");
	/* One that was taken before the loss, and comes after it was told, may be of a page that
	 * went; one that was taken after is not. */
	touch_at(f, TGID, 11, 'B', before);
	touch_at(f, TGID, 12, 'B', 0);
	touch_at(f, TGID, 14, 'B', before);
	assert_touches(f, TGID, "10A 12B 13A 14B ");
	/* The same where a mapping's events were lost. */
	lost.last_ns = f->now += 10;
	lost.events = 2;
	model__lost(f->model, TGID, &lost);
	assert_touches(f, TGID, "10A 13A 14B ");
	lost = (struct mp_lost_range){.hi = UINT64_MAX, .last_ns = f->now += 10};
	model__empty_lost(f->model, 0, &lost);
	assert_touches(f, TGID, "");
}

/* A page that is there already is taken for the parent's, which the child has copied; but not where
 * the child may have mapped it unseen. */
static void test_what_was_lost_of_a_range_goes_with_it(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range lost = {.lo = 10 * PAGE, .hi = 20 * PAGE, .events = 1};
	union mp_event enter, moved;

	apply(f, event_fork(++f->now, CHILD, 2 * START_NS, false));
	lost.last_ns = ++f->now;
	model__lost(f->model, CHILD, &lost);
	enter = event_mremap_enter(1, ++f->now, 10, 10);
	enter.head = head(f, enter.head.type, CHILD);
	apply(f, enter);
	moved = event_mremap(1, ++f->now, 10, 10, 40, 10, MREMAP_MAYMOVE | MREMAP_FIXED);
	moved.head = head(f, moved.head.type, CHILD);
	apply(f, moved);
	f->present = true;
	touch(f, CHILD, 40, "A");
	touch(f, CHILD, 60, "B");
	assert_touches(f, CHILD, "60B ");
}

/* Nor where an mremap that failed may have moved what it mapped, or memory was short. */
static void test_what_a_child_has_mapped_is_no_copy(void **state)
{
	struct fixture *f = *state;
	union mp_event mapped, enter, failed;

	apply(f, event_fork(++f->now, CHILD, 2 * START_NS, false));
	mapped = event_mmap(1, ++f->now, 10, 30);
	mapped.head = head(f, mapped.head.type, CHILD);
	apply(f, mapped);
	f->present = true;
	touch(f, CHILD, 12, "A");
	enter = event_mremap_enter(1, ++f->now, 60, 4);
	enter.head = head(f, enter.head.type, CHILD);
	apply(f, enter);
	failed = event_mremap(1, ++f->now, 60, 4, 20, 4, MREMAP_MAYMOVE | MREMAP_FIXED);
	failed.head = head(f, failed.head.type, CHILD);
	failed.mremap.failed = 1;
	apply(f, failed);
	touch(f, CHILD, 21, "B");
	assert_touches(f, CHILD, "");
	model__give_up(f->model, 1); /* the largest program's */
	touch(f, CHILD, 12, "C");
	assert_touches(f, CHILD, "");
}

static void test_maps_and_pages_correct(void **state)
{
	struct fixture *f = *state;
	struct vma vma = {.start = 10 * PAGE, .end = 12 * PAGE};
	struct vma_set maps = {.vmas = &vma, .n = 1};
	struct proc_stat stat = {.comm = "x", .start_ticks = START_NS / NSEC_PER_TICK};
	uint64_t gone[] = {10 * PAGE, 11 * PAGE};
	struct view view;

	apply(f, event_mmap(1, ++f->now, 10, 10));
	touch(f, TGID, 10, "AAA");
	assert_int_equal(model__view(f->model, TGID, &view), 0);
	view__free(&view);
	/* The mapping of page 12 is gone, and no event said so. */
	model__learn(f->model, TGID, &stat, view.space_id, ++f->now, &maps);
	assert_touches(f, TGID, "10A 11A ");
	/* Pages that were not resident when somebody looked: whoever touches them is new. */
	touch(f, TGID, 12, "B");
	model__pages_are_gone(f->model, TGID, view.space_id + 1, gone, 2, f->now);
	model__pages_are_gone(f->model, TGID, view.space_id, gone, 1, f->now);
	model__pages_are_gone(f->model, TGID, view.space_id, gone, 2, START_NS);
	assert_touches(f, TGID, "11A 12B ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_first_touch_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_samples_go_with_their_pages, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_heap_takes_them_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mremap_moves_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shmdt_takes_them_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_child_has_its_parents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_count_against_the_parents, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_shared_space_has_one_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost_events_take_samples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_was_lost_of_a_range_goes_with_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_a_child_has_mapped_is_no_copy, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_maps_and_pages_correct, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
