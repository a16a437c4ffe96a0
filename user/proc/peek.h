/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the memory of a process. An absent page is brought in, as if the process had touched it,
 * and that may take for ever. Meanwhile process_vm_readv lets go of the map, so that the process
 * can go on changing it, and can be ended; /proc/PID/mem does neither (Linux 6.18, FOLL_UNLOCKABLE
 * in mm/gup.c), and reads pages that the process itself may not.
 */
#ifndef MEMPROV_PEEK_H
#define MEMPROV_PEEK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads up to len bytes at `at`, fewer where the next page does not exist: how many, or -EFAULT
 * when there are none, or -errno. pid is the number of the process opened as pidfd if that procfs
 * numbers processes as our own PID namespace does (the caller sees to it that it is still the one);
 * 0: through "mem" of its directory.
 */
ssize_t peek__read(int pidfd, pid_t pid, uint64_t at, void *to, size_t len);

#endif
