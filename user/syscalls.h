/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that remain to the daemon once it has started. */
#ifndef MEMPROV_SYSCALLS_H
#define MEMPROV_SYSCALLS_H

#include <stdbool.h>

#include "options/options.h"

/*
 * In every thread, for good. SECCOMP_ENFORCE: what only an attacker would call kills the daemon;
 * whatever else is not listed fails with ENOSYS, as on a kernel that does not have it, which is
 * when libraries try something else. SECCOMP_LOG: all of that is done, and told by the kernel's
 * log, but for what the C library tries in vain. writes_files: with those calls that write a file,
 * for history. sends_alerts: with those that connect to an Alertmanager. 0 or -errno.
 */
int syscalls__restrict(enum seccomp_mode mode, bool writes_files, bool sends_alerts);

#endif
