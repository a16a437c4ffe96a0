/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process that was forked off keeps of the descriptors that were open. */
#ifndef MEMPROV_DESCRIPTORS_H
#define MEMPROV_DESCRIPTORS_H

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int descriptors__close_between(int first, int last)
{
	return first <= last && syscall(SYS_close_range, first, last, 0) ? -errno : 0;
}

/* All but one, and standard error, where sanitizers write. 0 or -errno. */
static inline int descriptors__close_all_but(int keep)
{
	int err = descriptors__close_between(STDIN_FILENO,
					     keep > STDOUT_FILENO ? STDOUT_FILENO : keep - 1);

	err = err ?: descriptors__close_between(STDERR_FILENO + 1, keep - 1);
	return err
		       ?: descriptors__close_between(
				  keep > STDERR_FILENO ? keep + 1 : STDERR_FILENO + 1, INT_MAX);
}

#endif
