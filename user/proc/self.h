/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMPROV_SELF_H
#define MEMPROV_SELF_H

#include <sys/types.h>

/* Our own process ID as this procfs numbers it, which need not be how our own PID namespace does
 * (--proc /host/proc in a container): where its link "self" leads, or getpid() if it has none. */
pid_t self__pid(const char *proc);

#endif
