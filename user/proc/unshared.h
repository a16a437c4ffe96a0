/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What smaps says of a process whose anonymous pages are its own, without any file that visits each
 * page under one lock. The caller knows by its events that the process was not forked and has not
 * forked since its exec, and has given nothing back with MADV_FREE. Then
 *
 *	RSS	is what pagemap shows of each VMA
 *	PSS	of its own anonymous memory, its RSS; of what it has of files and shared memory,
 *		by mapcounts
 *	kinds	are none but huge pages, which pagemap shows, once the kernel says that it has none
 *of hugetlb and KSM swap	is none while the machine has none in use
 *
 * This process's mmap waits for a page table's worth of pages at most, where smaps and smaps_rollup
 * take the lock for the largest VMA, and keep a writer waiting for 4 ms while they come back for
 * the next one.
 */
#ifndef MEMPROV_UNSHARED_H
#define MEMPROV_UNSHARED_H

#include <stdatomic.h>

#include "proc/mapcounts.h"
#include "proc/resident.h"

/* As resident__read_report(), with private and shared of each VMA, where that is so and is less
 * work: else an error, after which that one will do; -ECANCELED and -ENOMEM are final. With
 * -ERANGE, of a process that is too small for it, ret->set is its map. */
int unshared__read(int pidfd, const struct mapcounts *mapcounts, const atomic_bool *stop,
		   struct resident *ret);

#endif
