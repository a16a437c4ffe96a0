// SPDX-License-Identifier: BSD-2-Clause
/* When a perf map is read again: user/child/jit.c. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/jit.h"
#include "util/clock.h"

#define MSEC  (NSEC_PER_SEC / 1000)
#define BEGUN (1000 * NSEC_PER_SEC)

struct fixture {
	struct jit jit;
	int file; /* -1: none */
	unsigned asked;
};

static int open_map(void *ctx)
{
	struct fixture *t = ctx;

	char path[32];

	t->asked++;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", t->file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void write_line(struct fixture *t, const char *line)
{
	assert_int_equal(write(t->file, line, strlen(line)), strlen(line));
}

/* The name, and how often the map was asked for until then. Times are milliseconds. */
static void check(struct fixture *t, uint64_t pc, uint64_t taken, uint64_t now,
		  const char *expected, unsigned asked)
{
	struct jit_question question = {
		.pc = pc,
		.taken_ns = BEGUN + taken * MSEC,
		.now_ns = BEGUN + now * MSEC,
		.open_map = open_map,
		.ctx = t,
	};
	const char *name;

	name = jit__find(&t->jit, &question);
	assert_string_equal(name ?: "nothing", expected);
	assert_int_equal(t->asked, asked);
}

static void setup(struct fixture *t)
{
	*t = (struct fixture){.file = memfd_create("map", MFD_CLOEXEC)};
	assert_true(t->file >= 0);
	write_line(t, "1000 10 first\n");
}

static void teardown(struct fixture *t)
{
	jit__forget(&t->jit);
	if (t->file >= 0)
		close(t->file);
}

static void once_a_second(void **state)
{
	struct fixture t;

	setup(&t);
	check(&t, 0x1000, 0, 0, "first", 1);
	write_line(&t, "1000 10 second\n");
	check(&t, 0x1000, 900, 999, "first", 1);
	check(&t, 0x1000, 900, 1000, "second", 2);
	teardown(&t);
}

/* Its line was written before it ran: code that ran after the map was read may be in it now. */
static void sooner_for_new_code(void **state)
{
	struct fixture t;

	setup(&t);
	check(&t, 0x1000, 0, 0, "first", 1);
	write_line(&t, "2000 10 second\n");
	check(&t, 0x2000, 100, 110, "second", 2);
	/* It ran before that. */
	check(&t, 0x3000, 109, 150, "nothing", 2);
	check(&t, 0x3000, 111, 150, "nothing", 3);
	/* What was appended wins, and goes on to where a line has no end yet. */
	write_line(&t, "1008 8 third\n4000 10 fou");
	check(&t, 0x4000, 200, 200, "fou", 4);
	check(&t, 0x1008, 200, 200, "third", 4);
	check(&t, 0x1000, 200, 200, "first", 4);
	write_line(&t, "rth\n");
	check(&t, 0x5000, 300, 300, "nothing", 5);
	check(&t, 0x4000, 300, 300, "fourth", 5);
	check(&t, 0x2000, 300, 300, "second", 5);
	check(&t, 0x4000, 300, 1000, "fourth", 6);
	check(&t, 0x1008, 300, 1000, "third", 6);
	teardown(&t);
}

static void of_a_file_that_is_begun_anew(void **state)
{
	struct fixture t;

	setup(&t);
	check(&t, 0x1000, 0, 0, "first", 1);
	assert_int_equal(ftruncate(t.file, 0), 0);
	check(&t, 0x2000, 1, 1, "nothing", 2);
	check(&t, 0x1000, 1, 1, "first", 2);
	check(&t, 0x1000, 1, 1000, "nothing", 3);
	teardown(&t);
}

static void not_without_end(void **state)
{
	unsigned most = JIT_APPENDED_MAX / JIT_READING;
	struct fixture t;

	setup(&t);
	check(&t, 0x3000, 0, 0, "nothing", 1);
	for (unsigned i = 1; i <= most; i++)
		check(&t, 0x3000, i, i, "nothing", 1 + i);
	check(&t, 0x3000, 900, 900, "nothing", 1 + most);
	check(&t, 0x3000, 900, 1000, "nothing", 2 + most);
	check(&t, 0x3000, 1001, 1001, "nothing", 3 + most);
	teardown(&t);
}

static void without_a_map_once_a_second(void **state)
{
	struct fixture t;

	setup(&t);
	close(t.file);
	t.file = -1;
	check(&t, 0x1000, 0, 0, "nothing", 1);
	check(&t, 0x1000, 999, 999, "nothing", 1);
	check(&t, 0x1000, 1000, 1000, "nothing", 2);
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_a_second),
		cmocka_unit_test(sooner_for_new_code),
		cmocka_unit_test(of_a_file_that_is_begun_anew),
		cmocka_unit_test(not_without_end),
		cmocka_unit_test(without_a_map_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
