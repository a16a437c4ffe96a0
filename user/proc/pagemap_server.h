/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that opens the pagemap of others for the daemon. Whether a pagemap shows frame
 * numbers is decided by the capabilities of what opened it (file_ns_capable() in
 * fs/proc/task_mmu.c): CAP_SYS_ADMIN, which the daemon gives up. Frame numbers are an index into
 * /proc/kpagecount, and of no other use: no memory can be read by them.
 *
 *	daemon                                  pagemap server
 *	a question's socket ────────────────▶   a thread for it
 *	directory of the process ──────────────▶  on that socket
 *	                         ◀──────────────  0 [pagemap], or -errno (int32_t)
 *
 * An exec that waits keeps whatever opens the pagemap waiting, too, so each question has a thread.
 */
#ifndef MEMPROV_PAGEMAP_SERVER_H
#define MEMPROV_PAGEMAP_SERVER_H

#include <stdint.h>

/* At once; a further question is not answered: its socket is closed. */
#define PAGEMAP_QUESTIONS_MAX 16

/* What the process is from its fork on: socket is that to the daemon, at whose end it ends. It
 * keeps these capabilities (1 << CAP_…). */
void pagemap_server__main(int socket, uint64_t capabilities) __attribute__((noreturn));

#endif
