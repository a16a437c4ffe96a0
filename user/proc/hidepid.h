/* SPDX-License-Identifier: BSD-2-Clause */
/* A procfs that is mounted with hidepid shows a process only to processes that may ptrace it
 * (proc(5)).
 */
#ifndef MEMPROV_HIDEPID_H
#define MEMPROV_HIDEPID_H

#include <stdbool.h>

/* Whether it hides other users' processes from us: they have no directory, as if they did not
 * exist. False with CAP_SYS_PTRACE. */
bool hidepid__hides_others(const char *proc);

/* Whether it hides processes from callers that may not ptrace them. */
bool hidepid__is_set(const char *proc);

#endif
