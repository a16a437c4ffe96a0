/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What smaps says of a range of pages that are shared: how much is private, and the proportional
 * part (PSS). By the same numbers: pagemap says which pages this process alone has mapped, and
 * /proc/kpagecount how often each of the others is (Documentation/admin-guide/mm/pagemap.rst). For
 * a few ranges that is far less than reading smaps, which shows a range only behind all below it.
 */
#ifndef MEMPROV_SHARING_H
#define MEMPROV_SHARING_H

#include <stdint.h>

struct sharing { /* bytes */
	uint64_t private_;
	uint64_t shared;
	uint64_t pss; /* rounded down to kB, as smaps does */
};

/*
 * Of [start, end), page aligned. kpagecount is open for reading; pagemap was opened with
 * CAP_SYS_ADMIN, else it shows no frames and what is shared counts as absent. The zero page, which
 * nothing is said to map, is left out, as smaps does. 0 or -errno; ret untouched on failure.
 */
int sharing__sum(int kpagecount, int pagemap, uint64_t start, uint64_t end, struct sharing *ret);

/* How often the page at addr is mapped, or -errno: -ENODATA when it is not there or its frame not
 * shown. */
int64_t sharing__mapcount(int kpagecount, int pagemap, uint64_t addr);

#endif
