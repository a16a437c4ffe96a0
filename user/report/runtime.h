/* SPDX-License-Identifier: BSD-2-Clause */
/* Which language runtime a process is, told from its program and the libraries it has mapped. */
#ifndef MEMPROV_RUNTIME_H
#define MEMPROV_RUNTIME_H

#include <stdbool.h>

#include "proc/vma.h"
#include "report/report.h"

/* exe: the path of the program, NULL when not known; exe_is_go: it has Go's build id. */
enum runtime runtime__recognise(const struct vma_set *set, const char *exe, bool exe_is_go);

#endif
