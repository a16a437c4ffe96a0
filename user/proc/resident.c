// SPDX-License-Identifier: BSD-2-Clause
#include "proc/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "proc/memory.h"
#include "proc/pagemap.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/rollup.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

/* Reading a VMA's record of smaps costs as much as this many entries of pagemap, about. */
#define ENTRIES_PER_VMA 300

/* Bytes by which statm may be wrong: before Linux 6.17 it left out what each CPU had yet to add. */
#define STATM_ERROR (2 << 20)

/* The upper half of the address space is the kernel's: of that, maps shows [vsyscall] alone. */
#define IS_KERNEL_ADDRESS(addr) ((addr) >> 63)

static int count_pages(int pidfd, struct vma_set *set)
{
	_cleanup_close_ int fd = process__openat(pidfd, "pagemap", O_RDONLY);
	size_t n = set->n;

	if (fd < 0)
		return fd;
	while (n && IS_KERNEL_ADDRESS(set->vmas[n - 1].start))
		n--;
	return pagemap__count_vmas(fd, set->vmas, n, n * ENTRIES_PER_VMA);
}

static int add_sums(int pidfd, struct resident *r, uint64_t *ret_rss)
{
	struct rollup rollup;
	int err = rollup__read(pidfd, &rollup);

	if (err)
		return err;
	r->summed = true;
	r->pss = rollup.pss;
	r->swap = rollup.swap;
	r->kinds = rollup.kinds;
	*ret_rss = rollup.rss;
	return 0;
}

/* What the process has none of, no VMA has. */
static void share_kinds(struct resident *r)
{
	for (size_t i = 0; i < r->set.n; i++) {
		for (size_t kind = 0; kind < PAGE_KINDS; kind++) {
			if (!r->kinds.bytes[kind])
				r->set.vmas[i].kinds.bytes[kind] = 0;
		}
	}
}

static uint64_t add_rss(struct resident *r)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < r->set.n; i++) {
		r->rss += r->set.vmas[i].rss;
		if (r->set.vmas[i].rss > largest)
			largest = r->set.vmas[i].rss;
	}
	return largest;
}

static bool lies_between(uint64_t rss, const struct proc_memory *a, const struct proc_memory *b)
{
	uint64_t low = a->rss < b->rss ? a->rss : b->rss;
	uint64_t high = a->rss < b->rss ? b->rss : a->rss;

	return rss + STATM_ERROR >= low && rss <= high + STATM_ERROR;
}

/*
 * 0, or why this will not do: -EUCLEAN when the pages that were found are not what the kernel
 * counts. Of a process that touches memory meanwhile, each figure is of another moment.
 */
static int read_cheaply(int pidfd, uint64_t largest, const atomic_bool *stop, struct resident *r)
{
	struct proc_memory before, after;
	uint64_t rss;
	int err = procfs__memory(pidfd, &before);

	if (!err)
		err = procfs__vmas(pidfd, SMAPS_MAPS, stop, &r->set);
	if (!err)
		err = count_pages(pidfd, &r->set);
	if (err)
		return err;
	if (add_rss(r) <= largest) {
		err = add_sums(pidfd, r, &rss);
		if (err)
			return err;
		share_kinds(r);
		if (rss == r->rss && !r->kinds.bytes[PAGES_HUGETLB])
			return 0;
	}
	err = procfs__memory(pidfd, &after);
	if (err)
		return err;
	if (r->summed &&
	    (r->kinds.bytes[PAGES_HUGETLB] || !memcmp(&before, &after, sizeof(before))))
		return -EUCLEAN;
	return lies_between(r->rss, &before, &after) ? 0 : -EUCLEAN;
}

int resident__read_smaps(int pidfd, const atomic_bool *stop, struct resident *ret)
{
	struct resident r = {.summed = true};
	int err = procfs__vmas(pidfd, SMAPS_FULL, stop, &r.set);

	if (err)
		return err;
	add_rss(&r);
	for (size_t i = 0; i < r.set.n; i++) {
		const struct vma *vma = &r.set.vmas[i];

		r.pss += vma->pss;
		r.swap += vma->swap;
		page_kinds__add(&r.kinds, &vma->kinds);
	}
	*ret = r;
	return 0;
}

int resident__read(int pidfd, uint64_t largest, const atomic_bool *stop, struct resident *ret)
{
	struct resident r = {.kinds = page_kinds_unknown};
	int err = read_cheaply(pidfd, largest, stop, &r);

	if (!err) {
		*ret = r;
		return 0;
	}
	vma_set__free(&r.set);
	if (err == -ENOMEM || err == -ECANCELED)
		return err;
	/* Whatever it was: smaps may do, and if not, says why. */
	return resident__read_smaps(pidfd, stop, ret);
}
