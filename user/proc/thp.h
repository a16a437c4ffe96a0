/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sizes of anonymous folios the kernel may map at a fault (Linux 6.8, mTHP:
 * Documentation/admin-guide/mm/transhuge.rst).
 */
#ifndef MEMPROV_THP_H
#define MEMPROV_THP_H

#include <stdbool.h>

#define THP_DIR "/sys/kernel/mm/transparent_hugepage"

/* Whether a fault may bring more than one page and less than a huge one: no one can tell of a page
 * how many came with it. dir: THP_DIR. False where it cannot be read. */
bool thp__has_several_sizes(const char *dir);

#endif
