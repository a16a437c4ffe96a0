// SPDX-License-Identifier: BSD-2-Clause
/* The daemon's memory, and what it is shared out to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "model/account.h"
#include "util/budget.h"

#define LIMIT 1600

static int set_up(void **state)
{
	*state = budget__new(LIMIT);
	return 0;
}

static int tear_down(void **state)
{
	budget__unref(*state);
	return 0;
}

static struct budget_stats stats(const struct budget *budget)
{
	struct budget_stats stats;

	budget__stats(budget, &stats);
	return stats;
}

static void test_tables_have_a_share(void **state)
{
	struct budget *budget = *state;

	assert_int_equal(budget__tables_max(budget), 1000);
	budget__take(budget, BUDGET_LEDGERS, 900);
	budget__take(budget, BUDGET_CALLSITES, 100);
	assert_int_equal(budget__tables_over(budget), 0);
	budget__take(budget, BUDGET_WAITING_STACKS, 30);
	assert_int_equal(budget__tables_over(budget), 30);
	budget__put(budget, BUDGET_LEDGERS, 900);
	assert_int_equal(budget__tables_over(budget), 0);
	assert_int_equal(stats(budget).used[BUDGET_CALLSITES], 100);
	assert_int_equal(budget__share(budget, 4, 10000), 250);
	assert_int_equal(budget__share(budget, 4, 100), 100);
	assert_int_equal(budget__share(NULL, 4, 10000), 10000);
}

static void test_reports_have_what_is_left(void **state)
{
	struct budget *budget = *state;
	struct reservation a = {.budget = budget}, b = {.budget = budget};

	budget__take(budget, BUDGET_LEDGERS, 1000);
	assert_int_equal(reservation__grow(&a, 400, 0), 0);
	assert_int_equal(reservation__grow(&a, 100, 0), 0);
	assert_int_equal(reservation__grow(&b, 101, 0), -ENOBUFS);
	assert_int_equal(b.bytes, 0);
	assert_int_equal(stats(budget).given_up[GIVE_UP_REPORTS], 1);
	reservation__shrink(&a, 50);
	assert_int_equal(reservation__grow(&b, 101, 0), 0);
	assert_int_equal(stats(budget).used[BUDGET_REPORTS], 151);
	reservation__free(&a);
	reservation__free(&b);
	assert_int_equal(stats(budget).used[BUDGET_REPORTS], 0);
}

/* One that holds all it can get leaves room for the small report of another, and of a third. */
static void test_room_is_left_for_small_reports(void **state)
{
	struct budget *budget = *state;
	struct reservation greedy[8] = {}, small = {.budget = budget, .source = 2},
			   third = {.budget = budget, .source = 3};
	size_t n = 0;

	budget__take(budget, BUDGET_LEDGERS, 1000);
	for (; n < 8; n++) {
		greedy[n] = (struct reservation){.budget = budget, .source = 1};
		if (reservation__grow(&greedy[n], 100, 0))
			break;
	}
	assert_int_equal(n, 5);
	assert_int_equal(reservation__grow(&greedy[n], 26, 0), -ENOBUFS);
	assert_int_equal(reservation__grow(&greedy[n], 25, 0), 0);
	assert_int_equal(reservation__grow(&greedy[n], 1, 0), -ENOBUFS);
	assert_int_equal(reservation__grow(&small, 38, 0), -ENOBUFS);
	assert_int_equal(reservation__grow(&small, 37, 0), 0);
	assert_int_equal(reservation__grow(&small, 1, 0), -ENOBUFS);
	assert_int_equal(reservation__grow(&third, 19, 0), 0);
	reservation__free(&third);
	reservation__free(&small);
	for (size_t i = 0; i <= n; i++)
		reservation__free(&greedy[i]);
	assert_int_equal(stats(budget).used[BUDGET_REPORTS], 0);
}

/* What is resident and nobody counts leaves less for reports. */
static void test_what_is_resident_counts(void **state)
{
	struct budget *budget = *state;
	struct reservation a = {.budget = budget};
	uint64_t uncounted;

	budget__take(budget, BUDGET_LEDGERS, 500);
	assert_int_equal(budget__set_resident(budget, 1500, &uncounted), 0);
	assert_int_equal(uncounted, 1000);
	/* Of 100, seven eighths. */
	assert_int_equal(reservation__grow(&a, 89, 0), -ENOBUFS);
	assert_int_equal(reservation__grow(&a, 88, 0), 0);
	assert_int_equal(budget__set_resident(budget, 1700, &uncounted), 100);
	/* However much it is: an eighth of the limit stays. */
	assert_int_equal(budget__set_resident(budget, 5000, &uncounted), 300);
	assert_int_equal(budget__set_resident(budget, 100, &uncounted), 0);
	assert_int_equal(uncounted, 0);
	reservation__free(&a);
}

static void *let_go(void *arg)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	reservation__free(arg);
	return NULL;
}

static void test_a_report_waits_for_another(void **state)
{
	struct reservation a = {.budget = *state}, b = {.budget = *state};
	pthread_t thread;

	assert_int_equal(reservation__grow(&a, LIMIT / 8 * 7, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, let_go, &a), 0);
	assert_int_equal(reservation__grow(&b, LIMIT / 8 * 7, 60000), 0);
	pthread_join(thread, NULL);
	reservation__free(&b);
}

/* Alone half of it; of four that want all a fifth, and as much is left for the next. */
static void test_shares_are_fair(void **state)
{
	size_t own[4] = {0}, used = 0;

	while (budget__is_fair(own[0], 1, used, 1000)) {
		own[0]++;
		used++;
	}
	assert_int_equal(own[0], 500);
	own[0] = used = 0;
	for (bool more = true; more;) {
		more = false;
		for (int i = 0; i < 4; i++) {
			if (!budget__is_fair(own[i], 1, used, 1000))
				continue;
			own[i]++;
			used++;
			more = true;
		}
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(own[i], 200);
	assert_true(budget__is_fair(0, 200, used, 1000));
	assert_false(budget__is_fair(0, 201, used, 1000));
}

static void test_an_account_is_the_budgets(void **state)
{
	struct account *account = account__new(*state, 1);

	account__take(account, BUDGET_LEDGERS, 300);
	assert_int_equal(account__bytes(account, BUDGET_LEDGERS), 300);
	assert_int_equal(account__bytes(account, BUDGET_KNOWN_STACKS), 0);
	assert_int_equal(stats(*state).used[BUDGET_LEDGERS], 300);
	account__put(account, BUDGET_LEDGERS, 300);
	assert_int_equal(stats(*state).used[BUDGET_LEDGERS], 0);
	account__unref(account);
}

static void test_work_is_earned(void **state)
{
	struct account *account = account__new(NULL, 1);

	assert_true(account__spend(account, ACCOUNT_WORK_MAX));
	assert_false(account__spend(account, 1));
	account__earn(account);
	assert_false(account__spend(account, ACCOUNT_WORK_EARNED + 1));
	assert_true(account__spend(account, ACCOUNT_WORK_EARNED));
	assert_false(account__spend(account, 1));
	account__unref(account);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tables_have_a_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reports_have_what_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room_is_left_for_small_reports, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_resident_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_report_waits_for_another, set_up, tear_down),
		cmocka_unit_test(test_shares_are_fair),
		cmocka_unit_test_setup_teardown(test_an_account_is_the_budgets, set_up, tear_down),
		cmocka_unit_test(test_work_is_earned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
