/* SPDX-License-Identifier: BSD-2-Clause */
/* uthash, which ends the program when memory is short unless it is told not to. */
#ifndef MEMPROV_HASH_H
#define MEMPROV_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Behind HASH_ADD…: false when there was no memory for the table, and the entry is not in it. */
#define HASH_HAS(entry) ((entry)->hh.tbl != NULL)

#endif
