// SPDX-License-Identifier: BSD-2-Clause
/* How many children a tenant may have started: user/symbolize/tenants.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "symbolize/tenants.h"
#include "util/clock.h"

static size_t start_until_refused(struct tenants *tenants, uint64_t tenant, bool died)
{
	size_t n = 0;

	while (n < 1000 && tenants__may_start(tenants, tenant, died))
		n++;
	return n;
}

static void one_does_not_use_up_what_another_may(void **state)
{
	struct tenants *tenants = tenants__new();
	uint64_t began = clock__boot_ns(), seconds;
	size_t n = start_until_refused(tenants, 1, false);

	seconds = (clock__boot_ns() - began) / NSEC_PER_SEC;
	assert_in_range(n, 64, 64 + 8 * (seconds + 1));
	n = start_until_refused(tenants, 1, true);
	seconds = (clock__boot_ns() - began) / NSEC_PER_SEC;
	assert_in_range(n, 3, 3 + seconds + 1);
	n = start_until_refused(tenants, 2, false);
	seconds = (clock__boot_ns() - began) / NSEC_PER_SEC;
	assert_in_range(n, 64, 64 + 8 * (seconds + 1));
	tenants__free(tenants);
}

static void a_child_that_hangs_has_to_wait(void **state)
{
	struct tenants *tenants = tenants__new();
	uint64_t timeout = 1000 * NSEC_PER_SEC;

	tenants__lost(tenants, 1, timeout, 2 * timeout);
	assert_true(tenants__may_start(tenants, 1, true));
	tenants__lost(tenants, 1, timeout, 2 * timeout);
	assert_true(tenants__may_start(tenants, 1, true));
	tenants__lost(tenants, 1, timeout, 2 * timeout);
	assert_false(tenants__may_start(tenants, 1, true));
	assert_false(tenants__may_start(tenants, 1, false));
	assert_true(tenants__may_start(tenants, 2, true));
	tenants__free(tenants);
}

/* The table is bounded; what is refused is not had back by making others. */
static void many_tenants(void **state)
{
	struct tenants *tenants = tenants__new();

	for (uint64_t tenant = 0; tenant < 4 * TENANTS_MAX; tenant++)
		assert_true(tenants__may_start(tenants, tenant, false));
	tenants__lost(tenants, 1, 1000 * NSEC_PER_SEC, 1);
	for (uint64_t tenant = 2; tenant < TENANTS_MAX; tenant++)
		tenants__may_start(tenants, tenant, false);
	assert_false(tenants__may_start(tenants, 1, false));
	tenants__free(tenants);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_does_not_use_up_what_another_may),
		cmocka_unit_test(a_child_that_hangs_has_to_wait),
		cmocka_unit_test(many_tenants),
	};

	return cmocka_run_group_tests_name("tenants", tests, NULL, NULL);
}
