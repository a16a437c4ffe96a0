// SPDX-License-Identifier: BSD-2-Clause
/* Records that no program of ours can have written are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>

#include "events.h"

static const union mp_event *decoded(const union mp_event *e, size_t len)
{
	const union mp_event *ret = NULL;
	int err = event__decode(e, len, &ret);

	if (err) {
		assert_int_equal(err, -EBADMSG);
		assert_null(ret); /* untouched */
	}
	return ret;
}

static void test_each_type_has_its_length(void **state)
{
	static const size_t lengths[MP_EVENT_TYPES] = {
		[MP_EVENT_MMAP] = 80,	     [MP_EVENT_MUNMAP] = 48, [MP_EVENT_MREMAP_ENTER] = 48,
		[MP_EVENT_MREMAP] = 88,	     [MP_EVENT_BRK] = 64,    [MP_EVENT_SHMAT] = 64,
		[MP_EVENT_SHMDT] = 40,	     [MP_EVENT_NAME] = 152,  [MP_EVENT_FORK] = 64,
		[MP_EVENT_EXEC] = 56,	     [MP_EVENT_EXIT] = 32,   [MP_EVENT_COMM] = 48,
		[MP_EVENT_THREAD] = 72,	     [MP_EVENT_TOUCH] = 48,  [MP_EVENT_EMPTY] = 48,
		[MP_EVENT_INTERPRETER] = 64,
	};

	for (unsigned type = 0; type < MP_EVENT_TYPES + 3; type++) {
		union mp_event e = {.head = event_head(type, 1, 1)};

		/* what some of them must have: the second word is a length, an end, a child */
		e.mmap.addr = 0x1000;
		e.mmap.len = 0x1000;
		if (type == MP_EVENT_FORK)
			e.fork.child_tgid = 7;
		if (type == MP_EVENT_THREAD) {
			e.thread.stack_hi = 0x2000;
			e.thread.thread_tid = 7;
		}
		if (type == MP_EVENT_NAME)
			e.name.state = MP_NAME_CLEAR;
		for (size_t len = 0; len <= sizeof(e); len++) {
			bool right = type && type < MP_EVENT_TYPES && len == lengths[type];

			assert_int_equal(decoded(&e, len) != NULL, right);
		}
		assert_int_equal(event_type__name(type) != NULL, type && type < MP_EVENT_TYPES);
	}
}

static void test_hostile_values(void **state)
{
	union mp_event e = event_mmap(1, 1, 10, 4);

	assert_non_null(decoded(&e, sizeof(e.mmap)));
	e.mmap.len = 0;
	assert_null(decoded(&e, sizeof(e.mmap)));
	e.mmap.len = UINT64_MAX - 10 * PAGE + 1; /* wraps to 0 */
	assert_null(decoded(&e, sizeof(e.mmap)));
	e = event_mmap(1, 1, 10, 4);
	memset(e.mmap.comm, 'x', sizeof(e.mmap.comm)); /* no NUL */
	assert_null(decoded(&e, sizeof(e.mmap)));
	e = event_mmap(1, 1, 10, 4);
	e.head.tgid = 0;
	assert_null(decoded(&e, sizeof(e.mmap)));

	e = event_name(1, 10, 4, "cache");
	assert_non_null(decoded(&e, sizeof(e.name)));
	e.name.state = MP_NAME_LATE + 1;
	assert_null(decoded(&e, sizeof(e.name)));
	e.name.state = MP_NAME_SET;
	memset(e.name.name, 'n', MP_NAME_MAX);
	assert_non_null(decoded(&e, sizeof(e.name)));
	memset(e.name.name, 'n', MP_NAME_MAX + 1); /* longer than the kernel takes */
	assert_null(decoded(&e, sizeof(e.name)));

	e = event_fork(1, 0, 1, false);
	assert_null(decoded(&e, sizeof(e.fork)));
	e = event_fork(1, 5, 1, false);
	e.fork.shares_vm = 2;
	assert_null(decoded(&e, sizeof(e.fork)));
	e = event_fork(1, TGID, 1,
		       false); /* a fuzzer's: the child would have replaced its parent */
	assert_null(decoded(&e, sizeof(e.fork)));
	e = event_thread(1, 7, 10, 10);
	assert_null(decoded(&e, sizeof(e.thread)));
	e = event_brk(1, 1, 10, 9);
	assert_null(decoded(&e, sizeof(e.brk)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_type_has_its_length),
		cmocka_unit_test(test_hostile_values),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
