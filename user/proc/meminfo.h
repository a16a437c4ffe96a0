/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory the node has (proc(5)), and how short it is of it
 * (Documentation/accounting/psi.rst). */
#ifndef MEMPROV_MEMINFO_H
#define MEMPROV_MEMINFO_H

#include <stdint.h>

/* Pure: MemTotal and MemTotal - MemAvailable of /proc/meminfo, bytes. 0 or -EBADMSG. */
int meminfo__parse(const char *text, uint64_t *ret_total, uint64_t *ret_used);

/* Pure: the hundredths of a percent of the last 10 s in which some task waited for memory, by the
 * text of a file of pressure stall information. 0 or -EBADMSG. */
int pressure__parse(const char *text, unsigned *ret_some);

#endif
