/* SPDX-License-Identifier: BSD-2-Clause */
/* How often pages are mapped, for a daemon that has given up the right to know their frames: the
 * process that opens pagemaps for it (proc/pagemap_server.h), and /proc/kpagecount. */
#ifndef MEMPROV_MAPCOUNTS_H
#define MEMPROV_MAPCOUNTS_H

#include <stdint.h>

#include "proc/sharing.h"

struct mapcounts;

/*
 * Forks the process off: before the first thread. It keeps these capabilities (1 << CAP_…). NULL
 * where mapcounts cannot be had, because of missing capabilities or of the kernel: reports then
 * read smaps instead. Thread-safe from then on.
 */
struct mapcounts *mapcounts__new(const char *proc, uint64_t capabilities);

/* Ends the process, and waits a second for that; accepts NULL. */
void mapcounts__free(struct mapcounts *mapcounts);

/* A pagemap of the process that shows frames, which the caller closes; or -errno, -ETIMEDOUT where
 * it keeps its readers waiting. pidfd as proc/process.h has it. */
int mapcounts__open(const struct mapcounts *mapcounts, int pidfd);

/* sharing__add() by such a pagemap. */
int mapcounts__add(const struct mapcounts *mapcounts, int pagemap, struct vma *vmas, size_t n);

#endif
