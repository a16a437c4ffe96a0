/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The join: smaps says how much is resident and where, the ledger says which call put it there.
 * Each VMA is cut where the ledger's knowledge of it changes, every part gets its own resident
 * bytes, and what the ledger does not know is told apart by evidence, never by default:
 *
 *      VMA    |==============================|  rss 8 MiB
 *      ledger |---- A ----|      |--- B -----|
 *      parts  |     A     |  ?   |     B     |  3 + 0 + 5 MiB, counted page by page
 *
 *   [stack]                      the main stack
 *   [vdso], [vvar], …            the kernel
 *   the program's or its loader's file, and the anonymous memory (.bss) right behind it, in a
 *   process whose exec we saw    exec
 *   anything else                unknown
 *
 * Pure but for the two questions it asks through its configuration.
 */
#ifndef MEMPROV_JOIN_H
#define MEMPROV_JOIN_H

#include "model/ledger.h"
#include "proc/pagemap.h"
#include "proc/vma.h"
#include "reconcile/attribution.h"
#include "util/arena.h"

struct join_config {
	const struct vma_set *set;
	const struct ledger *ledger; /* empty: nothing is known */
	uint64_t space_id;
	uint64_t exec_space; /* as in struct space */
	uint64_t page_size;

	/* For VMAs that have a file. */
	enum file_role (*role)(const struct vma *vma, void *ctx);
	/* Resident and swapped bytes of [lo, hi): 0 or -errno, and then they are estimated. */
	int (*count)(uint64_t lo, uint64_t hi, struct pagemap_counts *ret, void *ctx);
	void *ctx;

	struct arena *strings; /* the parts' names go there */
};

struct part_list {
	struct part *parts; /* in order of address */
	size_t n;
	size_t cap;
};

void part_list__free(struct part_list *list);

/* 0 or -ENOMEM; the caller frees ret. */
int join__parts(const struct join_config *config, struct part_list *ret);

/* Shares out private and shared of a VMA, which were not known yet, among its parts. 0 or
 * -ENOMEM. */
int parts__share_out(const struct vma *vma, struct part *parts, size_t n);

/* True when there are parts whose stacks have not been unwound yet. */
bool parts__have_waiting_stacks(const struct part *parts, size_t n);

/* Fills in the parts' call sites, of the stacks that have been unwound by now, and the categories
 * that follow from them. */
void parts__resolve(struct part *parts, size_t n);

/* True when the ledger holds ranges where nothing is mapped. */
bool join__has_unmapped_ranges(const struct vma_set *set, const struct ledger *ledger);

#endif
