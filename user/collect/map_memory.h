/* SPDX-License-Identifier: BSD-2-Clause */
/* What a BPF map takes of the kernel's memory. */
#ifndef MEMPROV_MAP_MEMORY_H
#define MEMPROV_MAP_MEMORY_H

#include <stdint.h>

/* Bytes, as the kernel accounts them ("memlock:" in /proc/self/fdinfo); 0 when it does not tell. fd
 * is the map's. */
uint64_t map_memory__bytes(int fd);

#endif
