// SPDX-License-Identifier: BSD-2-Clause
/* Connections that are waited for, and those that give way: user/serve/deadline.c. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "serve/deadline.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define SOCKETS	  4
#define LONG_NS	  (60 * NSEC_PER_SEC)
#define SOON_NS	  (NSEC_PER_SEC / 20)
#define IN_VAIN_S 10

struct fixture {
	struct deadline *deadline;
	struct watched *watched[SOCKETS];
	int ours[SOCKETS], theirs[SOCKETS];
};

static int set_up(void **state)
{
	static struct fixture fixture;

	assert_int_equal(deadline__new(&fixture.deadline), 0);
	for (int i = 0; i < SOCKETS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		fixture.ours[i] = pair[0];
		fixture.theirs[i] = pair[1];
		fixture.watched[i] = deadline__watch(fixture.deadline, pair[0], &fixture, 0);
		assert_non_null(fixture.watched[i]);
	}
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < SOCKETS; i++) {
		deadline__drop(fixture->deadline, fixture->watched[i]);
		close(fixture->ours[i]);
		close(fixture->theirs[i]);
	}
	deadline__free(fixture->deadline);
	return 0;
}

/* Within that time, as the client sees it. */
static bool is_hung_up(const struct fixture *fixture, int i, int milliseconds)
{
	struct pollfd fd = {.fd = fixture->theirs[i], .events = POLLIN};
	char byte;

	return poll(&fd, 1, milliseconds) == 1 && read(fd.fd, &byte, 1) == 0;
}

static void set_all(struct fixture *fixture)
{
	for (int i = 0; i < SOCKETS; i++)
		deadline__set(fixture->deadline, fixture->watched[i], LONG_NS);
}

static void who_is_late_is_cut_off(void **state)
{
	struct fixture *fixture = *state;

	set_all(fixture);
	/* Sooner than what the thread sleeps for; and a deadline that was taken back. */
	deadline__set(fixture->deadline, fixture->watched[1], SOON_NS);
	deadline__set(fixture->deadline, fixture->watched[2], SOON_NS);
	deadline__set(fixture->deadline, fixture->watched[2], 0);
	assert_true(is_hung_up(fixture, 1, IN_VAIN_S * 1000));
	for (int i = 0; i < SOCKETS; i++)
		assert_int_equal(is_hung_up(fixture, i, i == 2 ? 100 : 0), i == 1);
}

static void the_oldest_gives_way(void **state)
{
	struct fixture *fixture = *state;

	set_all(fixture);
	/* It has moved on, and waits anew; another one is being served. */
	deadline__set(fixture->deadline, fixture->watched[0], LONG_NS);
	deadline__set(fixture->deadline, fixture->watched[1], 0);
	deadline__make_room(fixture->deadline, fixture, 3);
	for (int i = 0; i < SOCKETS; i++)
		assert_false(is_hung_up(fixture, i, 0));
	deadline__make_room(fixture->deadline, fixture, 2);
	assert_true(is_hung_up(fixture, 2, 0));
	/* Which is no more waited for. */
	deadline__make_room(fixture->deadline, fixture, 2);
	assert_false(is_hung_up(fixture, 3, 0));
	deadline__make_room(fixture->deadline, fixture, 1);
	assert_true(is_hung_up(fixture, 3, 0));
	deadline__make_room(fixture->deadline, fixture, 0);
	assert_true(is_hung_up(fixture, 0, 0));
	assert_false(is_hung_up(fixture, 1, 0));
}

static void only_of_its_own_crowd(void **state)
{
	struct fixture *fixture = *state;

	set_all(fixture);
	deadline__make_room(fixture->deadline, &fixture->watched, 0);
	for (int i = 0; i < SOCKETS; i++)
		assert_false(is_hung_up(fixture, i, 0));
}

/* Its socket is the oldest of all, but another has three. */
static void the_source_with_the_most_gives_way(void **state)
{
	struct fixture *fixture = *state;

	deadline__drop(fixture->deadline, fixture->watched[0]);
	fixture->watched[0] = deadline__watch(fixture->deadline, fixture->ours[0], fixture, 1);
	assert_non_null(fixture->watched[0]);
	set_all(fixture);
	deadline__make_room(fixture->deadline, fixture, 3);
	deadline__make_room(fixture->deadline, fixture, 2);
	for (int i = 0; i < SOCKETS; i++)
		assert_int_equal(is_hung_up(fixture, i, 0), i == 1 || i == 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(who_is_late_is_cut_off),
		TEST(the_oldest_gives_way),
		TEST(only_of_its_own_crowd),
		TEST(the_source_with_the_most_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
