/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory map of a process. */
#ifndef MEMPROV_VMAS_H
#define MEMPROV_VMAS_H

#include <stdatomic.h>

#include "proc/smaps.h"

/* Reads smaps or maps; ret is the caller's to free. -ESRCH when the process is gone or has no
 * memory map any more, -ECANCELED when *stop became true between two reads (stop may be NULL). */
int procfs__vmas(int pidfd, enum smaps_format format, const atomic_bool *stop, struct vma_set *ret);

#endif
