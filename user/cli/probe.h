/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes rather than comparisons of kernel versions: each does in small what the daemon does, and
 * leaves nothing behind. They return yes or no, with a few words of detail.
 */
#ifndef MEMPROV_PROBE_H
#define MEMPROV_PROBE_H

#include <stdbool.h>

#define PROBE_DETAIL_LEN 192

bool probe__kernel(char detail[PROBE_DETAIL_LEN]);
bool probe__btf(char detail[PROBE_DETAIL_LEN]);
bool probe__tracefs(char detail[PROBE_DETAIL_LEN]);
bool probe__lockdown(char detail[PROBE_DETAIL_LEN]);
bool probe__load(char detail[PROBE_DETAIL_LEN]);
bool probe__attach(char detail[PROBE_DETAIL_LEN]);
bool probe__page_faults(char detail[PROBE_DETAIL_LEN]);
bool probe__ring_buffer(char detail[PROBE_DETAIL_LEN]);
bool probe__anon_vma_name(char detail[PROBE_DETAIL_LEN]);
bool probe__pagemap_scan(char detail[PROBE_DETAIL_LEN]);
bool probe__procmap_query(char detail[PROBE_DETAIL_LEN]);
bool probe__hidepid(char detail[PROBE_DETAIL_LEN]);
bool probe__pid_namespace(char detail[PROBE_DETAIL_LEN]);

#endif
