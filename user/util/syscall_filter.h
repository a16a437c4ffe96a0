/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls by list, and what becomes of them: seccomp(2) through libseccomp. */
#ifndef MEMPROV_SYSCALL_FILTER_H
#define MEMPROV_SYSCALL_FILTER_H

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

struct syscall_rule {
	int call; /* SCMP_SYS(…); one that this machine never had is passed over */
	struct scmp_arg_cmp only; /* the calls that are meant; none given: all */
};

#define CALL(name)                                                                                 \
	{                                                                                          \
		.call = SCMP_SYS(name)                                                             \
	}
#define CALL_IF(name, comparison)                                                                  \
	{                                                                                          \
		.call = SCMP_SYS(name), .only = comparison                                         \
	}

struct syscall_list {
	uint32_t action; /* SCMP_ACT_…; not that of the filter */
	const struct syscall_rule *rules;
	size_t n;
};

/*
 * Puts every thread under a filter, for good: `action` for calls that are in no list, and for all
 * of another architecture (32-bit ones, x32) KILL_PROCESS, or action where that lets them pass.
 * Sets no_new_privs, too. 0 or -errno; then nothing has changed.
 */
int syscall_filter__load(uint32_t action, const struct syscall_list *lists, size_t n);

#endif
