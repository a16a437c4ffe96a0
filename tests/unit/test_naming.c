// SPDX-License-Identifier: BSD-2-Clause
/* What ranges are called after each operation, as by a kernel that takes names
 * (docs/architecture.md has the table). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "events.h"
#include "model/changes.h"
#include "model/space.h"
#include "util/cleanup.h"

#define NEVER	 UINT64_MAX
#define MOVE	 MREMAP_MAYMOVE
#define MOVE_TO	 (MREMAP_MAYMOVE | MREMAP_FIXED)
#define KEEP_OLD (MREMAP_MAYMOVE | MREMAP_DONTUNMAP)

/* "10-14=cache " is pages 10 to 14, by any creator. */
struct shown {
	char text[512];
	uint64_t lo;
	uint64_t reached; /* NEVER: nothing is held back */
	const char *name;
};

static void show(struct shown *s)
{
	if (s->reached != NEVER)
		sprintf(s->text + strlen(s->text), "%llu-%llu%s%s ", s->lo / PAGE,
			s->reached / PAGE, s->name ? "=" : "", s->name ? s->name : "");
	s->reached = NEVER;
}

static int show_range(const struct ledger_range *range, void *ctx)
{
	const char *name = range->name ? range->name->text : NULL;
	struct shown *s = ctx;

	if (s->reached != range->start || !name != !s->name || (name && strcmp(name, s->name))) {
		show(s);
		s->lo = range->start;
	}
	s->reached = range->end;
	s->name = name;
	return 0;
}

struct sequence {
	const char *what;
	union mp_event events[5]; /* after "10-14=cache "; of type 0: no more */
	const char *names;
};

static void check(const struct sequence *sequence)
{
	struct space_tools tools = {.page_size = PAGE, .pool = ledger_pool__new()};
	struct space *space = space__new(&tools);
	struct shown s = {.reached = NEVER};
	const union mp_event *e = sequence->events;
	union mp_event map = event_mmap(1, 1, 10, 4), name = event_name(2, 10, 4, "cache");

	space->heap_end = HEAP_END_AT_START;
	changes__apply(space, &map, NULL);
	changes__apply(space, &name, NULL);
	for (; e < sequence->events + ARRAY_SIZE(sequence->events) && e->head.type; e++)
		changes__apply(space, e, NULL);
	ledger__each(&space->ledger, 0, UINT64_MAX, show_range, &s);
	show(&s);
	if (strcmp(s.text, sequence->names))
		fail_msg("%s: \"%s\", not \"%s\"", sequence->what, s.text, sequence->names);
	space__unref(space);
	ledger_pool__free(tools.pool);
}

static void test_what_ranges_are_called(void **state)
{
	const struct sequence sequences[] = {
		{"grown in place", {event_mremap(3, 4, 10, 4, 10, 6, 0)}, "10-16=cache "},
		{"grown twice, by two",
		 {event_mremap(3, 4, 10, 4, 10, 6, 0), event_mremap(4, 5, 10, 6, 10, 9, 0)},
		 "10-19=cache "},
		{"grown and moved", {event_mremap(3, 4, 10, 4, 50, 6, MOVE)}, "50-56=cache "},
		{"grown over another",
		 {event_mmap(1, 3, 50, 9), event_name(4, 50, 9, "other"),
		  event_mremap(3, 5, 10, 4, 50, 6, MOVE_TO)},
		 "50-56=cache 56-59=other "},
		{"its end, grown and moved",
		 {event_mremap(3, 4, 12, 2, 50, 6, MOVE)},
		 "10-12=cache 50-56=cache "},
		{"its middle, grown and moved",
		 {event_mremap(3, 4, 11, 1, 50, 6, MOVE)},
		 "10-11=cache 12-14=cache 50-56=cache "},
		{"pieces of two names: the last is continued",
		 {event_name(3, 12, 2, "tail"), event_mremap(3, 4, 10, 4, 10, 6, 0)},
		 "10-12=cache 12-16=tail "},
		{"pieces of two names, moved: the last is continued",
		 {event_name(3, 10, 2, "head"), event_mremap(3, 4, 10, 4, 50, 6, MOVE)},
		 "50-52=head 52-56=cache "},
		{"the last piece has none: nor has what continues it",
		 {event_name(3, 13, 1, NULL), event_mremap(3, 4, 10, 4, 10, 6, 0)},
		 "10-13=cache 13-16 "},
		{"named while the call went on: as it was when it began",
		 {event_mremap_enter(3, 3, 10, 4), event_name(4, 10, 4, "late"),
		  event_mremap(3, 5, 10, 4, 50, 6, MOVE)},
		 "50-56=cache "},
		{"named after it has grown, in part",
		 {event_mremap(3, 4, 10, 4, 10, 8, 0), event_name(5, 12, 4, "new")},
		 "10-12=cache 12-16=new 16-18=cache "},
		{"the name is taken away after it has grown",
		 {event_mremap(3, 4, 10, 4, 10, 8, 0), event_name(5, 10, 8, NULL)},
		 "10-18 "},
		{"shrunk in place", {event_mremap(3, 4, 10, 4, 10, 2, 0)}, "10-12=cache "},
		{"shrunk and grown again",
		 {event_mremap(3, 4, 10, 4, 10, 2, 0), event_mremap(3, 5, 10, 2, 10, 4, 0)},
		 "10-14=cache "},
		{"shrunk and moved", {event_mremap(3, 4, 10, 4, 50, 2, MOVE_TO)}, "50-52=cache "},
		{"moved, and kept where it was",
		 {event_mremap(3, 4, 10, 4, 50, 4, KEEP_OLD)},
		 "10-14=cache 50-54=cache "},
		{"shared memory mapped once more",
		 {event_mremap(3, 4, 12, 0, 50, 6, MOVE)},
		 "10-14=cache 50-56=cache "},
		{"several, with a hole between them, moved",
		 {event_mmap(1, 3, 15, 1), event_name(4, 15, 1, "other"), event_mmap(1, 5, 50, 9),
		  event_mremap(3, 6, 10, 6, 50, 6, MOVE_TO)},
		 "50-54=cache 55-56=other 56-59 "},
		{"mapped over", {event_mmap(1, 3, 11, 2)}, "10-11=cache 11-13 13-14=cache "},
		{"mapped beside it, before and behind",
		 {event_mmap(1, 3, 8, 2), event_mmap(1, 4, 14, 2)},
		 "8-10 10-14=cache 14-16 "},
		{"unmapped in the middle", {event_munmap(3, 11, 2)}, "10-11=cache 13-14=cache "},
		{"unmapped and mapped again",
		 {event_munmap(3, 10, 4), event_mmap(1, 4, 10, 4)},
		 "10-14 "},
		{"the heap, named and grown",
		 {event_munmap(3, 10, 4), event_brk(1, 4, 20 * PAGE, 22 * PAGE),
		  event_name(5, 20, 2, "heap"), event_brk(1, 6, 20 * PAGE, 24 * PAGE)},
		 "20-22=heap 22-24 "},
		{"the heap, named, shrunk and grown",
		 {event_brk(1, 3, 20 * PAGE, 24 * PAGE), event_name(4, 20, 4, "heap"),
		  event_brk(1, 5, 20 * PAGE, 22 * PAGE), event_brk(1, 6, 20 * PAGE, 24 * PAGE)},
		 "10-14=cache 20-22=heap 22-24 "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++)
		check(&sequences[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_ranges_are_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
