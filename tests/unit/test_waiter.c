// SPDX-License-Identifier: BSD-2-Clause
/* Waits that end: at a deadline that is over at once, when there is a signal, and for the clock's
 * time and no number of rounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/thread.h"
#include "util/waiter.h"

struct fixture {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool told;
};

static void *tell(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->told = true;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static void test_wait(void **state)
{
	struct fixture f = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	uint64_t began = clock__monotonic_ns();
	pthread_t thread;

	pthread_mutex_lock(&f.lock);
	assert_false(waiter__wait(&f.cond, &f.lock, 0));
	while (waiter__wait(&f.cond, &f.lock, began + 2000000))
		;
	assert_true(clock__monotonic_ns() >= began + 2000000);
	assert_int_equal(thread__start(&thread, "tell", tell, &f), 0);
	while (!f.told)
		assert_true(waiter__wait(&f.cond, &f.lock, UINT64_MAX / 4));
	pthread_mutex_unlock(&f.lock);
	pthread_join(thread, NULL);
}

static void test_nap(void **state)
{
	uint64_t began = clock__monotonic_ns(), left = 5500000;
	unsigned naps = 0;

	while (waiter__nap(&left))
		naps++;
	assert_int_equal(left, 0);
	assert_in_range(naps, 1, 6);
	assert_true(clock__monotonic_ns() - began >= 5500000);
	assert_false(waiter__nap(&left));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_nap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
