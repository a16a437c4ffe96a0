/* SPDX-License-Identifier: BSD-2-Clause */
/* The heading of the breakdown under which a part is counted (docs/http.md). */
#ifndef MEMPROV_CLASSIFY_H
#define MEMPROV_CLASSIFY_H

#include "proc/vma.h"
#include "reconcile/attribution.h"
#include "reconcile/frames.h"

/* given_name: what the program called it, or NULL; role: of its file, if it has one. */
enum category classify__part(const struct vma *vma, const char *given_name, enum file_role role);

/*
 * Moves a part to the runtime's categories when its call site says what a runtime uses it for.
 * Names that programs give and files that others can open go before that. Everything else is
 * memory, whatever backs it: anonymous, a memfd, SysV, /dev/shm, an unlinked file that is mapped
 * writable.
 */
void classify__by_site(struct part *part, const struct callsite *site);

/* True for the path of a dynamic loader, which exec maps beside the program (PT_INTERP). */
bool classify__is_loader(const char *path);

/* True for kinds whose name, if they have one, is a program's own (prctl). */
bool classify__can_be_named(const struct vma *vma);

#endif
