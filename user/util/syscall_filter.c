// SPDX-License-Identifier: BSD-2-Clause
#include "util/syscall_filter.h"

#include <errno.h>

static int add_rule(scmp_filter_ctx filter, uint32_t action, const struct syscall_rule *rule)
{
	unsigned n = rule->only.op ? 1 : 0;
	int err = seccomp_rule_add_array(filter, action, rule->call, n, &rule->only);

	/* Newer architectures have never had some of the older calls. */
	return err == -EDOM ? 0 : err;
}

static int fill(scmp_filter_ctx filter, uint32_t action, const struct syscall_list *lists, size_t n)
{
	uint32_t foreign = action == SCMP_ACT_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, foreign);

	/* Of all threads, whatever has been started by now. */
	err = err ?: seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; !err && j < lists[i].n; j++)
			err = add_rule(filter, lists[i].action, &lists[i].rules[j]);
	}
	return err;
}

int syscall_filter__load(uint32_t action, const struct syscall_list *lists, size_t n)
{
	scmp_filter_ctx filter = seccomp_init(action);
	int err;

	if (!filter)
		return -ENOMEM;
	err = fill(filter, action, lists, n);
	err = err ?: seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
