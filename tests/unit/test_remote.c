// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "child/remote.h"
#include "util/clock.h"

#define AT     0x7f0000000000ULL
#define LENGTH (4 * REMOTE_LINE + 100)

/* A process's memory, and how it was asked for. */
struct memory {
	uint8_t bytes[LENGTH]; /* at AT */
	unsigned fetches;
};

static size_t fetch(void *ctx, const struct wire_range *range, uint8_t *to)
{
	struct memory *memory = ctx;
	uint64_t skip = range->at - AT;
	size_t len;

	memory->fetches++;
	if (skip >= LENGTH)
		return 0;
	len = range->len < LENGTH - skip ? range->len : LENGTH - skip;
	memcpy(to, memory->bytes + skip, len);
	return len;
}

struct fixture {
	struct memory memory;
	struct remote remote;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	for (size_t i = 0; i < LENGTH; i++)
		fixture->memory.bytes[i] = i * 7 + i / 256;
	fixture->remote.fetch = fetch;
	fixture->remote.ctx = &fixture->memory;
	remote__begin(&fixture->remote, 1, clock__boot_ns());
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void test_reads(void **state)
{
	struct fixture *fixture = *state;
	struct memory *memory = &fixture->memory;
	uint8_t got[3 * REMOTE_LINE];
	uint64_t word, want;

	/* Over the ends of lines, each of which is fetched once. */
	assert_true(remote__read(&fixture->remote, AT + 100, got, sizeof(got)));
	assert_memory_equal(got, memory->bytes + 100, sizeof(got));
	assert_int_equal(memory->fetches, 4);
	assert_true(remote__word(&fixture->remote, AT + REMOTE_LINE - 3, &word));
	memcpy(&want, memory->bytes + REMOTE_LINE - 3, sizeof(want));
	assert_int_equal(word, want);
	assert_int_equal(memory->fetches, 4);
	/* Up to the end of what is mapped, and not beyond, nor where nothing is. */
	assert_true(remote__word(&fixture->remote, AT + LENGTH - 8, &word));
	assert_false(remote__word(&fixture->remote, AT + LENGTH - 7, &word));
	assert_false(remote__word(&fixture->remote, AT - 4, &word));
	assert_false(remote__word(&fixture->remote, UINT64_MAX - 3, &word));
}

/* Of the same process, and only stacks that were taken before. */
static void test_what_was_read_serves_other_stacks(void **state)
{
	struct fixture *fixture = *state;
	struct memory *memory = &fixture->memory;
	uint64_t before = clock__boot_ns();
	uint8_t byte;

	assert_true(remote__u8(&fixture->remote, AT, &byte));
	memory->bytes[0]++;
	remote__begin(&fixture->remote, 1, before);
	assert_true(remote__u8(&fixture->remote, AT, &byte));
	assert_int_equal(byte, memory->bytes[0] - 1);
	assert_int_equal(memory->fetches, 1);
	remote__begin(&fixture->remote, 1, clock__boot_ns());
	assert_true(remote__u8(&fixture->remote, AT, &byte));
	assert_int_equal(byte, memory->bytes[0]);
	assert_int_equal(memory->fetches, 2);
	remote__begin(&fixture->remote, 2, before);
	assert_true(remote__u8(&fixture->remote, AT, &byte));
	assert_int_equal(memory->fetches, 3);
	/* However long a stack has waited. */
	for (size_t i = 0; i < REMOTE_LINES; i++) {
		if (fixture->remote.lines[i].read_ns)
			fixture->remote.lines[i].read_ns -= REMOTE_KEPT_NS;
	}
	remote__begin(&fixture->remote, 2, 0);
	assert_true(remote__u8(&fixture->remote, AT, &byte));
	assert_int_equal(memory->fetches, 4);
}

static void test_strings(void **state)
{
	struct fixture *fixture = *state;
	char *text = (char *)fixture->memory.bytes + REMOTE_LINE - 4, got[16];

	strcpy(text, "over lines");
	assert_true(remote__string(&fixture->remote, AT + REMOTE_LINE - 4, got, sizeof(got)));
	assert_string_equal(got, "over lines");
	assert_true(remote__string(&fixture->remote, AT + REMOTE_LINE - 4, got, 11));
	assert_false(remote__string(&fixture->remote, AT + REMOTE_LINE - 4, got, 10));
	memset(fixture->memory.bytes + LENGTH - 8, 'a', 8);
	assert_false(remote__string(&fixture->remote, AT + LENGTH - 8, got, sizeof(got)));
}

/* What cannot be read is not asked for again and again. */
static void test_absent_memory_is_asked_for_once(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	for (int i = 0; i < 10; i++)
		assert_false(remote__u8(&fixture->remote, 4096 + i, &byte));
	assert_int_equal(fixture->memory.fetches, 1);
}

/* However a structure is linked. */
static void test_a_stack_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	for (unsigned i = 0; i < 3 * REMOTE_FETCHES_MAX; i++)
		remote__u8(&fixture->remote, AT + i * (uint64_t)REMOTE_LINE * 3, &byte);
	assert_int_equal(fixture->memory.fetches, REMOTE_FETCHES_MAX);
	assert_false(remote__u8(&fixture->remote, AT, &byte));
	remote__begin(&fixture->remote, 1, clock__boot_ns());
	assert_true(remote__u8(&fixture->remote, AT, &byte));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_was_read_serves_other_stacks, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_strings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_absent_memory_is_asked_for_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_stack_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
