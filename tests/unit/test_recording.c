// SPDX-License-Identifier: BSD-2-Clause
/* Recordings of event streams: kept bugs of the property test, and bytes that are no recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "events.h"
#include "replay.h"
#include "util/cleanup.h"

static void read_fixture(const char *name, const char *suffix, struct buf *ret)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "tests/fixtures/events/%s.%s", name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(buf__read_fd(ret, fd, 1 << 20), 0);
	close(fd);
}

/* Each was found by the property test, shrunk, and failed before the fix that its commit names. */
static void test_kept_bugs(void **state)
{
	static const char *const names[] = {"attachment-moved", "attachment-duplicated",
					    "mremap-end-lost", "loss-before-fork",
					    "heap-over-named-gap"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_buf_ struct buf events = {0}, expected = {0}, ledgers = {0};

		read_fixture(names[i], "events", &events);
		read_fixture(names[i], "ledger", &expected);
		assert_int_equal(replay(events.data, events.len, NULL, &ledgers), 0);
		assert_string_equal(ledgers.data, expected.data);
	}
}

static void test_what_was_written_is_read(void **state)
{
	_cleanup_buf_ struct buf recording = {0}, ledgers = {0};
	union mp_event map = event_mmap(7, 1, 16, 4), name = event_name(2, 16, 2, "cache");
	struct mp_lost_range lost = {18 * PAGE, 19 * PAGE, 5, 1};

	recording__begin(&recording);
	recording__add_event(&recording, &map);
	recording__add_event(&recording, &name);
	recording__add_loss(&recording, TGID, &lost);
	assert_int_equal(replay(recording.data, recording.len, NULL, &ledgers), 0);
	assert_string_equal(ledgers.data, "process 100, lost 1\n"
					  "000000010000-000000012000 mmap 7 cache\n"
					  "000000013000-000000014000 mmap 7\n");
	/* cut anywhere but between two records, it is none */
	for (size_t len = 0; len < recording.len; len++) {
		_cleanup_buf_ struct buf out = {0};
		int err = replay(recording.data, len, NULL, &out);

		assert_true(err == -EBADMSG || (err == 0 && len % 8 == 0 && len >= 16));
	}
}

static void test_hostile_bytes(void **state)
{
	_cleanup_buf_ struct buf recording = {0}, out = {0};
	union mp_event map = event_mmap(7, 1, 16, 4);

	recording__begin(&recording);
	recording__add_event(&recording, &map);
	for (size_t at = 0; at < 24; at++) { /* magic, length, kind */
		recording.data[at] ^= 0x55;
		assert_int_equal(replay(recording.data, recording.len, NULL, &out), -EBADMSG);
		recording.data[at] ^= 0x55;
	}
	assert_int_equal(replay(recording.data, recording.len, NULL, &out), 0);
}

/* Their order was once the sign of a difference, which overflowed. */
static void test_processes_are_in_order(void **state)
{
	static const uint32_t tgids[] = {INT32_MAX, (uint32_t)INT32_MIN + 1, 1, INT32_MAX - 1};
	_cleanup_buf_ struct buf recording = {0}, out = {0};

	recording__begin(&recording);
	for (size_t i = 0; i < ARRAY_SIZE(tgids); i++) {
		union mp_event map = event_mmap(7, 1, 16, 1);

		map.head.tgid = tgids[i];
		recording__add_event(&recording, &map);
	}
	assert_int_equal(replay(recording.data, recording.len, NULL, &out), 0);
	assert_string_equal(out.data, "process -2147483647, lost 0\n"
				      "000000010000-000000011000 mmap 7\n"
				      "process 1, lost 0\n"
				      "000000010000-000000011000 mmap 7\n"
				      "process 2147483646, lost 0\n"
				      "000000010000-000000011000 mmap 7\n"
				      "process 2147483647, lost 0\n"
				      "000000010000-000000011000 mmap 7\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_bugs),
		cmocka_unit_test(test_what_was_written_is_read),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_processes_are_in_order),
	};

	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
