/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a task can lose its CPU in the middle of the kernel, and of our programs there. */
#ifndef MEMPROV_PREEMPTION_H
#define MEMPROV_PREEMPTION_H

#include <stdbool.h>

/* By uname and debugfs. Without debugfs (CAP_SYS_ADMIN, lockdown) a kernel that may have been
 * booted either way is taken for one that preempts. */
bool preemption__is_on(void);

/* The same, of texts: uname's version ("#1 SMP PREEMPT_DYNAMIC Debian …") and debugfs'
 * sched/preempt ("none (voluntary) full"; NULL: not known). */
bool preemption__is_told(const char *version, const char *modes);

#endif
