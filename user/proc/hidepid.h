/* SPDX-License-Identifier: BSD-2-Clause */
/* A procfs that is mounted with hidepid shows its processes only to whoever may ptrace them
 * (proc(5)).
 */
#ifndef MEMPROV_HIDEPID_H
#define MEMPROV_HIDEPID_H

#include <stdbool.h>

/* Whether others' processes are hidden from us, there: they have no directory, as if they did not
 * exist. False for those who have CAP_SYS_PTRACE. */
bool hidepid__hides_others(const char *proc);

/* Whether the procfs hides processes from those who may not ptrace them. */
bool hidepid__is_set(const char *proc);

#endif
