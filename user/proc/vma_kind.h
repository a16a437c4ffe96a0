/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VMA is, by its line alone: a table of the names that the kernel gives. */
#ifndef MEMPROV_VMA_KIND_H
#define MEMPROV_VMA_KIND_H

#include <stddef.h>

#include "proc/vma.h"

/* name is the name as shown, len bytes; of the VMA, major, inode and flags are looked at. */
enum vma_kind vma_kind__of(const struct vma *vma, const char *name, size_t len);

#endif
