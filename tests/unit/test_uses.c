// SPDX-License-Identifier: BSD-2-Clause
/* What each stack has mapped, and what is kept of stacks of which nothing is there any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/uses.h"

static const struct use *use_of(const struct use *list, size_t n, const struct trace *trace)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].trace == trace)
			return &list[i];
	}
	return NULL;
}

static void test_idle_uses_are_summed(void **state)
{
	struct budget *budget = budget__new(1 << 20);
	struct account *account = account__new(budget, 1);
	struct trace *live = trace__new(), *idle = trace__new(), *older = trace__new();
	struct uses *uses = NULL;
	struct use *list;
	size_t before, n;

	uses__drop_idle(NULL);
	uses__add(&uses, account, older, 100, 10);
	uses__add(&uses, account, live, 200, 20);
	uses__add(&uses, account, idle, 400, 30);
	before = account__bytes(account, BUDGET_LEDGERS);
	trace__unref(idle);
	trace__unref(older);
	uses__drop_idle(uses);
	list = uses__list(uses, &n);
	assert_int_equal(n, 2);
	assert_int_equal(use_of(list, n, live)->mapped, 200);
	assert_int_equal(use_of(list, n, NULL)->mapped, 500);
	assert_int_equal(use_of(list, n, NULL)->first_ns, 10);
	assert_int_equal(use_of(list, n, NULL)->last_ns, 30);
	uses__free_list(list, n);
	assert_int_equal(account__bytes(account, BUDGET_LEDGERS), before / 3 * 2);
	/* Nothing to drop, and what was summed stays. */
	uses__drop_idle(uses);
	uses__add(&uses, account, live, 1, 40);
	list = uses__list(uses, &n);
	assert_int_equal(n, 2);
	assert_int_equal(use_of(list, n, NULL)->mapped, 500);
	assert_int_equal(use_of(list, n, live)->mapped, 201);
	uses__free_list(list, n);
	uses__free(uses);
	assert_int_equal(account__bytes(account, BUDGET_LEDGERS), 0);
	trace__unref(live);
	account__unref(account);
	budget__unref(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_uses_are_summed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
