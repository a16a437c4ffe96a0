// SPDX-License-Identifier: BSD-2-Clause
/* What waits for history's writer: its bound, what it is charged for, and what of it tells nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "history/note_queue.h"
#include "past.h"

#define LIMIT (16u << 20)	   /* its tables have 10 MiB of it, */
#define ROOM  (LIMIT * 5 / 8 / 16) /* and the queue a part of them */

static struct note *seen(pid_t pid)
{
	const struct state state = {.pid = pid, .mb = {1}};

	return past__note(0, &state, false);
}

static uint64_t charged(const struct budget *budget)
{
	struct budget_stats stats;

	budget__stats(budget, &stats);
	return stats.used[BUDGET_HISTORY];
}

/* Puts until it is full, each of a process of its own. How many there was room for. */
static unsigned fill(struct note_queue *queue)
{
	unsigned n = 0;
	int err = 0;

	while (!err) {
		err = note_queue__put(queue, seen(1000 + n));
		n += !err;
	}
	assert_int_equal(err, -ENOBUFS);
	return n;
}

static void what_waits_is_bounded_and_charged(void **state)
{
	struct budget *budget = budget__new(LIMIT);
	struct note_queue queue;
	uint64_t told;
	unsigned n;

	note_queue__init(&queue);
	note_queue__limit(&queue, budget);
	n = fill(&queue);
	assert_true(n > 100);
	assert_true(queue.bytes <= ROOM && queue.bytes > ROOM - 4096);
	told = charged(budget) - queue.bytes;
	assert_true(told && told < n * 100);

	/* That one of them has gone there is room for, always, and nothing is kept of it then. */
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(note_queue__put(&queue, note__gone(1000 + i, 100)), 0);
	assert_int_equal(charged(budget), queue.bytes);
	assert_true(queue.bytes < ROOM + n * 100);

	/* What the writer has taken and could not write counts further. */
	note_queue__take(&queue, false);
	assert_int_equal(note_queue__put(&queue, seen(7)), -ENOBUFS);
	note_queue__let_go(&queue);
	assert_int_equal(charged(budget), 0);
	assert_int_equal(note_queue__put(&queue, seen(7)), 0);
	note_queue__free(&queue);
	assert_int_equal(charged(budget), 0);
	budget__unref(budget);
}

static void no_memory_for_a_note(void **state)
{
	struct note_queue queue;

	note_queue__init(&queue);
	assert_int_equal(note_queue__put(&queue, NULL), -ENOMEM);
	note_queue__free(&queue);
}

static void assert_next(const struct note **next, pid_t pid, bool gone)
{
	assert_non_null(*next);
	assert_int_equal((*next)->pid, pid);
	assert_int_equal(!(*next)->body, gone);
	*next = TAILQ_NEXT(*next, entry);
}

/* Of two processes, one of which a report was made of. */
static void assert_taken(bool no_room)
{
	struct note *exact = past__note(0, &(struct state){.pid = 6, .mb = {1}}, true);
	struct note_queue queue;
	const struct note *next;

	note_queue__init(&queue);
	note_queue__put(&queue, note__gone(4, 100)); /* nothing was told of it before */
	note_queue__put(&queue, seen(5));
	note_queue__put(&queue, note__gone(5, 99)); /* nor of that one */
	note_queue__put(&queue, note__gone(5, 100));
	note_queue__put(&queue, note__gone(5, 100)); /* a second time */
	note_queue__put(&queue, exact);
	note_queue__put(&queue, seen(6));
	note_queue__put(&queue, seen(6));
	note_queue__put(&queue, note__gone(6, 100));
	note_queue__take(&queue, no_room);
	next = TAILQ_FIRST(&queue.taken);
	assert_next(&next, 5, false);
	assert_next(&next, 5, true);
	if (!no_room)
		assert_next(&next, 6, false);
	assert_next(&next, 6, false);
	assert_next(&next, 6, true);
	assert_null(next);
	note_queue__free(&queue);
}

static void what_tells_nothing_goes(void **state)
{
	assert_taken(false);
	assert_taken(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_is_bounded_and_charged),
		cmocka_unit_test(no_memory_for_a_note),
		cmocka_unit_test(what_tells_nothing_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
