/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What smaps says of pages that are shared: how much of a VMA is private, and the proportional part
 * (PSS). By the same numbers: pagemap says which pages this process alone has mapped, and
 * /proc/kpagecount how often each of the others is (Documentation/admin-guide/mm/pagemap.rst).
 * Where VMAs are small, or few are asked about, that is far less than reading smaps.
 */
#ifndef MEMPROV_SHARING_H
#define MEMPROV_SHARING_H

#include <stddef.h>
#include <stdint.h>

#include "proc/vma.h"

/*
 * Fills in pss, private_dirty and shared_dirty (of private and shared, clean is not told apart) of
 * the VMAs, which rise, and whose rss is known; private and shared are no more than that together,
 * should a VMA have been touched since. kpagecount is open for reading; pagemap was opened with
 * CAP_SYS_ADMIN, else it shows no frames and what is shared counts as absent. The zero page, which
 * nothing is said to map, is left out, as smaps does. 0 or -errno: then they are of no use.
 */
int sharing__add(int kpagecount, int pagemap, struct vma *vmas, size_t n);

/* How often the page at addr is mapped, or -errno: -ENODATA when it is not there or its frame not
 * shown. */
int64_t sharing__mapcount(int kpagecount, int pagemap, uint64_t addr);

#endif
