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

#define BYTES (8u << 20)
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
static unsigned fill(struct note_queue *queue, bool gone)
{
	unsigned n = 0;
	int err = 0;

	while (!err) {
		err = note_queue__put(queue, gone ? note__gone(1000 + n, 100) : seen(1000 + n));
		n += !err;
	}
	assert_int_equal(err, -ENOBUFS);
	return n;
}

static void what_waits_is_bounded_and_charged(void **state)
{
	struct budget *budget = budget__new(LIMIT);
	struct note_queue queue;

	note_queue__init(&queue);
	note_queue__limit(&queue, budget);
	assert_true(fill(&queue, false) > 100);
	assert_true(charged(budget) <= ROOM / 4 * 3);
	assert_true(charged(budget) > ROOM / 4 * 3 - 4096);

	/* That one has gone there is room for, still. */
	assert_true(fill(&queue, true) > 1000);
	assert_true(charged(budget) <= ROOM);
	assert_int_equal(charged(budget), queue.bytes);

	/* What the writer has taken and could not write counts further. */
	note_queue__take(&queue);
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

static void what_tells_nothing_goes(void **state)
{
	struct note_queue queue;
	const struct note *next;
	struct past p;
	struct note *exact = past__note(0, &(struct state){.pid = 6, .mb = {1}}, true);

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 5, .mb = {1}});

	note_queue__init(&queue);
	note_queue__put(&queue, note__gone(4, 100)); /* history has never heard of it */
	note_queue__put(&queue, note__gone(5, 100));
	note_queue__put(&queue, exact);
	note_queue__put(&queue, seen(6));
	note_queue__put(&queue, seen(6));
	note_queue__put(&queue, note__gone(6, 100));
	note_queue__take(&queue);
	note_queue__thin(&queue, p.members);
	next = TAILQ_FIRST(&queue.taken);
	assert_next(&next, 5, true);
	assert_next(&next, 6, false);
	assert_next(&next, 6, false);
	assert_next(&next, 6, true);
	assert_null(next);
	note_queue__free(&queue);
	past__close(&p);
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
