/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMPROV_SELF_H
#define MEMPROV_SELF_H

#include <stdbool.h>
#include <sys/types.h>

/* Our own process ID as this procfs numbers it, which need not be how our own PID namespace does
 * (--proc /host/proc in a container): where its link "self" leads, or getpid() if it has none. */
pid_t self__pid(const char *proc);

/* Whether we are in it: else it is no procfs, or not one of ours. */
bool self__is_in(const char *proc);

#endif
