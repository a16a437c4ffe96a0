// SPDX-License-Identifier: BSD-2-Clause
/* Threads that get stuck in processes, and those that take over: user/proc/crew.c. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/crew.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define IN_VAIN_S 60
#define GRACE_NS  (IN_VAIN_S * NSEC_PER_SEC)

/* What is visited: "to read it" is to read a byte of the pipe. */
struct place {
	pid_t pid;
	int pipe[2];
	atomic_int began;    /* visits */
	atomic_int refused;  /* with -ETIMEDOUT */
	atomic_int replaced; /* visitors */
	atomic_int ended;    /* works that returned */
};

static void open_place(struct place *place, pid_t pid)
{
	*place = (struct place){.pid = pid};
	assert_int_equal(pipe(place->pipe), 0);
}

static void close_place(struct place *place)
{
	close(place->pipe[0]);
	close(place->pipe[1]);
}

static void run(struct visitor *visitor, void *arg)
{
	struct place *place = arg;
	char byte;

	while (!visitor->stop) {
		if (visitor__enter(visitor, place->pid) == -ETIMEDOUT) {
			place->refused++;
			usleep(1000);
			continue;
		}
		place->began++;
		if (read(place->pipe[0], &byte, 1) != 1)
			break;
		visitor__leave(visitor);
	}
	place->ended++;
}

static void replaced(struct visitor *visitor, void *arg)
{
	struct place *place = arg;

	place->replaced++;
}

static const struct crew_work reading = {.name = "reads", .run = run, .replaced = replaced};

#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		for (int i = 0; !(condition) && i < IN_VAIN_S * 100; i++)                          \
			usleep(10000);                                                             \
		assert_true(condition);                                                            \
	} while (0)

static struct crew_stats stats(struct crew *crew)
{
	struct crew_stats stats;

	crew__stats(crew, &stats);
	return stats;
}

static void let_go(struct place *place)
{
	assert_int_equal(write(place->pipe[1], "x", 1), 1);
}

static void a_stuck_thread_is_replaced(void **state)
{
	struct place place;
	struct crew *crew;

	open_place(&place, getpid());
	assert_int_equal(crew__new("/proc", 2, &crew), 0);
	assert_int_equal(crew__start(crew, &reading, &place), 0);
	/* The other one finds the process closed, at once and each time. */
	UNTIL(place.refused > 10);
	assert_int_equal(place.began, 1);
	assert_int_equal(place.replaced, 1);
	assert_int_equal(stats(crew).stuck, 1);
	assert_int_equal(stats(crew).processes, 1);
	assert_int_equal(stats(crew).reserve, 0);
	assert_null(stats(crew).idle);

	/* It comes back, and its work is the other's now, which can read the process. */
	let_go(&place);
	UNTIL(place.ended == 1 && place.began == 2);
	assert_int_equal(stats(crew).stuck, 0);
	UNTIL(stats(crew).reserve == 1);
	let_go(&place);
	UNTIL(place.began == 3);

	assert_int_equal(crew__stop(crew, 0), -EBUSY);
	let_go(&place);
	assert_int_equal(crew__stop(crew, GRACE_NS), 0);
	assert_int_equal(place.ended, 2);
	crew__free(crew);
	close_place(&place);
}

static void what_nobody_is_left_for_is_told(void **state)
{
	struct place place;
	struct crew *crew;

	open_place(&place, getpid());
	assert_int_equal(crew__new("/proc", 1, &crew), 0);
	assert_int_equal(crew__start(crew, &reading, &place), 0);
	UNTIL(place.replaced == 1);
	assert_string_equal(stats(crew).idle, "reads");
	/* The same thread takes it on again. */
	let_go(&place);
	UNTIL(place.began == 2);
	assert_null(stats(crew).idle);
	let_go(&place);
	UNTIL(place.began == 3);
	assert_int_equal(crew__stop(crew, 0), -EBUSY);
	let_go(&place);
	assert_int_equal(crew__stop(crew, GRACE_NS), 0);
	crew__free(crew);
	close_place(&place);
}

/* Goes to one process after the other, and is stuck in each. */
struct tour {
	pid_t pids[6];
	size_t next;
	int results[6];
	int pipe[2];
};

static void travel(struct visitor *visitor, void *arg)
{
	struct tour *tour = arg;
	char byte;

	while (!visitor->stop && tour->next < ARRAY_SIZE(tour->pids)) {
		size_t at = tour->next++;

		tour->results[at] = visitor__enter(visitor, tour->pids[at]);
		if (tour->results[at])
			continue;
		if (read(tour->pipe[0], &byte, 1) != 1)
			break;
		visitor__leave(visitor);
	}
}

/* Eight threads, one of which is at work: when four are stuck in processes of one user, three are
 * left in reserve, and no fifth may be. */
static void a_user_gets_half_of_the_reserve(void **state)
{
	static const struct crew_work travelling = {.name = "travels", .run = travel};
	struct tour tour = {.pipe = {-1, -1}};
	struct crew *crew;
	size_t stuck = 0;

	assert_int_equal(pipe(tour.pipe), 0);
	for (size_t i = 0; i < ARRAY_SIZE(tour.pids); i++) {
		tour.pids[i] = fork();
		if (!tour.pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	assert_int_equal(crew__new("/proc", 8, &crew), 0);
	assert_int_equal(crew__start(crew, &travelling, &tour), 0);
	UNTIL(tour.next == ARRAY_SIZE(tour.pids));
	for (size_t i = 0; i < ARRAY_SIZE(tour.pids); i++) {
		stuck += !tour.results[i];
		assert_int_equal(tour.results[i], i < 4 ? 0 : -EUSERS);
	}
	assert_int_equal(stats(crew).stuck, stuck);
	assert_int_equal(stats(crew).processes, stuck);
	/* They have the pipe, too. */
	for (size_t i = 0; i < ARRAY_SIZE(tour.pids); i++) {
		kill(tour.pids[i], SIGKILL);
		waitpid(tour.pids[i], NULL, 0);
	}
	close(tour.pipe[1]);
	assert_int_equal(crew__stop(crew, GRACE_NS), 0);
	crew__free(crew);
	close(tour.pipe[0]);
}

static void compute(struct visitor *visitor, void *arg)
{
	struct place *place = arg;
	uint64_t end = clock__boot_ns() + 3 * NSEC_PER_SEC;

	assert_int_equal(visitor__enter(visitor, place->pid), 0);
	while (clock__boot_ns() < end)
		;
	visitor__leave(visitor);
	place->ended++;
}

static void one_that_computes_is_not_stuck(void **state)
{
	static const struct crew_work computing = {
		.name = "computes", .run = compute, .replaced = replaced};
	struct place place;
	struct crew *crew;

	open_place(&place, getpid());
	assert_int_equal(crew__new("/proc", 2, &crew), 0);
	assert_int_equal(crew__start(crew, &computing, &place), 0);
	UNTIL(place.ended == 1);
	assert_int_equal(place.replaced, 0);
	assert_int_equal(crew__stop(crew, GRACE_NS), 0);
	crew__free(crew);
	close_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stuck_thread_is_replaced),
		cmocka_unit_test(what_nobody_is_left_for_is_told),
		cmocka_unit_test(a_user_gets_half_of_the_reserve),
		cmocka_unit_test(one_that_computes_is_not_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
