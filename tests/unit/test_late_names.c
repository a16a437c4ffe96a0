// SPDX-License-Identifier: BSD-2-Clause
/* Names that are known later than they are given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "events.h"
#include "model/ledger_names.h"
#include "model/model.h"
#include "model/name.h"
#include "util/cleanup.h"

#define CHILD_START 11000000000ULL

struct fixture {
	struct model *model;
	struct late_name late[4]; /* to be answered by the test */
	size_t n_late;
};

static bool on_late_name(struct model *model, const struct late_name *name, void *ctx)
{
	struct fixture *f = ctx;

	if (f->n_late >= ARRAY_SIZE(f->late))
		return false;
	f->late[f->n_late++] = *name;
	return true;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->model = model__new(
		&(struct model_config){.page_size = PAGE, .on_late_name = on_late_name, .ctx = f});
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
	const struct name *name = name__now(range->name);
	char *text = ctx + strlen(ctx);

	sprintf(text, "%llu-%llu%s%s ", range->start / PAGE, range->end / PAGE, name ? "=" : "",
		name ? name->text : "");
	return 0;
}

/* Ranges of the process. */
static const char *shown(struct fixture *f, pid_t tgid)
{
	static char text[4096];
	struct view view;

	text[0] = '\0';
	assert_int_equal(model__view(f->model, tgid, &view), 0);
	ledger__each(&view.ledger, 0, UINT64_MAX, print_range, text);
	view__free(&view);
	return text;
}

static union mp_event late_name(uint64_t t, uint64_t page, uint64_t n, uint64_t name_ptr)
{
	union mp_event e = event_name(t, page, n, NULL);

	e.name.state = MP_NAME_LATE;
	e.name.name_ptr = name_ptr;
	return e;
}

static bool awaits_late_names(struct fixture *f, pid_t tgid)
{
	struct view view;
	bool awaits;

	assert_int_equal(model__view(f->model, tgid, &view), 0);
	awaits = ledger__has_late_names(&view.ledger);
	assert_true(!awaits || view.late_names);
	view__free(&view);
	return awaits;
}

static enum knowledge known(struct fixture *f, uint64_t *ret_lost)
{
	struct view view;

	assert_int_equal(model__view(f->model, TGID, &view), 0);
	*ret_lost = view.lost_events;
	view__free(&view);
	return view.knowledge;
}

static void test_late_names(void **state)
{
	struct fixture *f = *state;

	apply(f, event_exec(1, 0));
	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, late_name(10, 10, 4, 0x1234));
	assert_int_equal(f->late[0].name_ptr, 0x1234);
	assert_true(awaits_late_names(f, TGID));
	assert_string_equal(shown(f, TGID), "10-14 ");
	apply(f, event_mmap(1, 15, 11, 1)); /* in between: it is not what was named */
	model__name_was_read(f->model, &f->late[0], "late");
	assert_string_equal(shown(f, TGID), "10-11=late 11-12 12-14=late ");
	assert_false(awaits_late_names(f, TGID));
}

/* It is a name from the moment that it was given, not from the moment that it was read. */
static void test_a_late_name_goes_where_its_range_goes(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, event_name(6, 10, 4, "old"));
	apply(f, late_name(10, 10, 4, 0x1234));
	apply(f, event_fork(11, 200, CHILD_START, false));
	apply(f, event_mremap(1, 12, 10, 2, 20, 2, MREMAP_MAYMOVE));
	apply(f, event_name(13, 13, 1, "new"));
	assert_true(awaits_late_names(f, 200));
	model__name_was_read(f->model, &f->late[0], "late");
	assert_string_equal(shown(f, TGID), "12-13=late 13-14=new 20-22=late ");
	assert_string_equal(shown(f, 200), "10-14=late ");
	/* and so does one that takes a name away */
	apply(f, late_name(15, 10, 14, 0x1234));
	apply(f, event_mremap(1, 16, 20, 2, 30, 2, MREMAP_MAYMOVE));
	model__name_was_read(f->model, &f->late[1], "");
	assert_string_equal(shown(f, TGID), "12-14 30-32 ");
	assert_false(awaits_late_names(f, TGID) || awaits_late_names(f, 200));
}

/* The mapping is made larger while its name is being read: the whole of it has the name then, here
 * and in the child; or, when the text cannot be read, the name of before. */
static void test_a_late_name_covers_what_mremap_adds(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, event_name(6, 10, 4, "old"));
	apply(f, late_name(10, 10, 4, 0x1234));
	apply(f, event_mremap(1, 11, 10, 4, 20, 6, MREMAP_MAYMOVE));
	apply(f, event_mremap(1, 12, 20, 6, 20, 7, 0));
	apply(f, event_fork(13, 200, CHILD_START, false));
	assert_string_equal(shown(f, TGID), "20-24=old 24-27=old ");
	assert_true(awaits_late_names(f, TGID));
	model__name_was_read(f->model, &f->late[0], "late");
	assert_string_equal(shown(f, TGID), "20-24=late 24-27=late ");
	assert_string_equal(shown(f, 200), "20-24=late 24-27=late ");
	/* its text is not there */
	apply(f, late_name(14, 20, 7, 0x1234));
	apply(f, event_mremap(1, 15, 20, 7, 20, 9, 0));
	model__name_was_read(f->model, &f->late[1], NULL);
	assert_string_equal(shown(f, TGID), "20-24=late 24-27=late 27-29=late ");
	/* it will never be known */
	apply(f, late_name(16, 20, 9, 0x1234));
	apply(f, event_mremap(1, 17, 20, 9, 20, 10, 0));
	model__name_was_lost(f->model, &f->late[2]);
	assert_string_equal(shown(f, TGID), "20-24 24-29 29-30 ");
	assert_false(awaits_late_names(f, TGID) || awaits_late_names(f, 200));
}

/* Neighbours that have the same name by now are one range: a name given to one of them meanwhile
 * must not keep the other's from coming. */
static void test_a_late_name_beside_a_later_one(void **state)
{
	struct fixture *f = *state;

	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, event_name(6, 12, 2, "a"));
	apply(f, late_name(7, 12, 2, 0x1234));
	apply(f, event_name(8, 10, 2, "a"));
	model__name_was_read(f->model, &f->late[0], "b");
	assert_string_equal(shown(f, TGID), "10-12=a 12-14=b ");
	/* together again */
	apply(f, late_name(9, 12, 2, 0x1234));
	model__name_was_read(f->model, &f->late[1], "a");
	assert_string_equal(shown(f, TGID), "10-14=a ");
}

/* The kernel could not read it either: all stays as it is. */
static void test_a_late_name_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct model_stats stats;
	uint64_t lost;

	apply(f, event_exec(1, 0));
	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, event_name(6, 10, 2, "a"));
	apply(f, late_name(7, 9, 6, 0x1234));
	apply(f, late_name(8, 10, 1, 0x1234));
	model__name_was_read(f->model, &f->late[0], NULL);
	model__name_was_read(f->model, &f->late[1], NULL);
	/* nor is there anything of the hole that was named with it */
	assert_string_equal(shown(f, TGID), "10-12=a 12-14 ");
	model__stats(f->model, &stats);
	assert_int_equal(stats.unread_names, 2);
	assert_int_equal(known(f, &lost), KNOWS_ALL);
	assert_int_equal(lost, 0);
}

/* There was a name, which will never be known; it was certainly not the old one. */
static void test_a_late_name_that_is_lost(void **state)
{
	struct fixture *f = *state;
	struct model_stats stats;
	uint64_t lost;

	apply(f, event_exec(1, 0));
	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, event_mmap(1, 5, 1, 1)); /* where the texts are */
	apply(f, event_name(6, 10, 4, "a"));
	apply(f, late_name(7, 10, 1, 0x1234));
	model__name_was_lost(f->model, &f->late[0]);
	assert_string_equal(shown(f, TGID), "1-2 10-11 11-14=a ");
	assert_int_equal(known(f, &lost), KNOWS_RESYNCED);
	assert_int_equal(lost, 1);
	/* It was there when the name was given, and is not there any more. */
	apply(f, late_name(8, 11, 1, 0x1234));
	apply(f, event_munmap(9, 1, 1));
	model__name_was_read(f->model, &f->late[1], NULL);
	assert_string_equal(shown(f, TGID), "10-12 12-14=a ");
	/* It is something else by now. */
	apply(f, late_name(10, 12, 1, 0x1234));
	apply(f, event_mmap(1, 11, 1, 1));
	model__name_was_read(f->model, &f->late[2], "garbage");
	assert_string_equal(shown(f, TGID), "1-2 10-13 13-14=a ");
	/* Another program runs there by now; a child still has the range. */
	apply(f, late_name(12, 13, 1, 0x1234));
	apply(f, event_fork(13, 200, CHILD_START, false));
	apply(f, event_exec(14, 0));
	model__name_was_read(f->model, &f->late[3], "garbage");
	assert_string_equal(shown(f, 200), "1-2 10-13 13-14 ");
	/* The reader cannot take any more. */
	apply(f, event_mmap(1, 15, 10, 4));
	apply(f, event_name(16, 10, 4, "a"));
	apply(f, late_name(17, 10, 1, 0x1234));
	assert_string_equal(shown(f, TGID), "10-11 11-14=a ");
	assert_int_equal(known(f, &lost), KNOWS_RESYNCED);
	model__stats(f->model, &stats);
	assert_int_equal(stats.unread_names, 5);
	assert_int_equal(lost, 4);
}

/* A program that names a range again and again while no read ends does not make a longer and
 * longer chain of what was there before. */
static void test_late_names_without_end(void **state)
{
	struct fixture *f = *state;

	f->n_late = 0;
	apply(f, event_mmap(1, 5, 10, 4));
	apply(f, event_name(6, 10, 4, "a"));
	for (uint64_t i = 0; i < 1000000; i++) {
		if (f->n_late == ARRAY_SIZE(f->late)) {
			model__name_was_read(f->model, &f->late[0], NULL);
			memmove(f->late, f->late + 1, sizeof(f->late) - sizeof(f->late[0]));
			f->n_late--;
		}
		apply(f, late_name(7 + i, 10, 4, 0x1234));
	}
	for (size_t i = 0; i < f->n_late; i++)
		model__name_was_read(f->model, &f->late[i], NULL);
	assert_false(awaits_late_names(f, TGID));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_late_names),
		TEST(test_a_late_name_goes_where_its_range_goes),
		TEST(test_a_late_name_covers_what_mremap_adds),
		TEST(test_a_late_name_beside_a_later_one),
		TEST(test_a_late_name_that_is_not_there),
		TEST(test_a_late_name_that_is_lost),
		TEST(test_late_names_without_end),
	};

	return cmocka_run_group_tests_name("late_names", tests, NULL, NULL);
}
