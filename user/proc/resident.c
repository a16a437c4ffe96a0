// SPDX-License-Identifier: BSD-2-Clause
#include "proc/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proc/memory.h"
#include "proc/pagemap.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/rollup.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

/* Reading a VMA's record of smaps costs as much as this many entries of pagemap, about. */
#define ENTRIES_PER_VMA 300

/* Of smaps a VMA costs as much as some 60 pages; of maps, PAGEMAP_SCAN and smaps_rollup together a
 * third of that, but a page more. */
#define PAGES_PER_VMA 30

/* What a reader needs. */
struct wanted {
	uint64_t largest;    /* as resident__read() has it */
	uint64_t most_bytes; /* to a VMA; where there are more, smaps is as cheap, */
	size_t least_vmas;   /* and where there are fewer of these */
	bool exact;	     /* kinds of pages and swap of each VMA, too */
	const atomic_bool *stop;
};

static int count_pages(int pidfd, struct vma_set *set)
{
	_cleanup_close_ int fd = process__openat(pidfd, "pagemap", O_RDONLY);

	return fd < 0 ? fd : pagemap__count_vmas(fd, set->vmas, set->n, set->n * ENTRIES_PER_VMA);
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

/* Only smaps tells which VMA has them. */
static bool has_other_kinds(const struct page_kinds *kinds)
{
	return kinds->bytes[PAGES_HUGETLB] || kinds->bytes[PAGES_LAZYFREE] ||
	       (kinds->bytes[PAGES_KSM] && kinds->bytes[PAGES_KSM] != UNKNOWN_BYTES);
}

/* What the VMAs have together. */
struct found {
	uint64_t size;
	uint64_t rss;
	uint64_t swap;
	uint64_t largest;
	uint64_t kinds[PAGE_KINDS]; /* of those VMAs where they are known */
};

static struct found add_up(const struct vma_set *set)
{
	struct found found = {};

	for (size_t i = 0; i < set->n; i++) {
		const struct vma *vma = &set->vmas[i];

		found.size += vma->end - vma->start;
		found.rss += vma->rss;
		found.swap += vma->swap;
		if (vma->rss > found.largest)
			found.largest = vma->rss;
		for (size_t kind = 0; kind < PAGE_KINDS; kind++) {
			if (vma->kinds.bytes[kind] != UNKNOWN_BYTES)
				found.kinds[kind] += vma->kinds.bytes[kind];
		}
	}
	return found;
}

/*
 * Of each kind of page: what was found counts if it adds up to what the kernel says, so what the
 * process has none of, no VMA has. Returns whether all kinds that this kernel tells are known of
 * each VMA.
 */
static bool settle_kinds(struct resident *r, const struct found *found)
{
	bool known = true, right[PAGE_KINDS];

	for (size_t kind = 0; kind < PAGE_KINDS; kind++) {
		right[kind] = r->summed && found->kinds[kind] == r->kinds.bytes[kind];
		known &= right[kind] || r->kinds.bytes[kind] == UNKNOWN_BYTES;
	}
	for (size_t i = 0; i < r->set.n; i++) {
		uint64_t *bytes = r->set.vmas[i].kinds.bytes;

		for (size_t kind = 0; kind < PAGE_KINDS; kind++) {
			if (!right[kind])
				bytes[kind] = UNKNOWN_BYTES;
			else if (bytes[kind] == UNKNOWN_BYTES)
				bytes[kind] = 0;
		}
	}
	return known;
}

/*
 * 0, or why this will not do: -EUCLEAN when the pages that were found are not what the kernel
 * counts. Of a process that touches memory meanwhile, each figure is of another moment.
 */
static int read_cheaply(int pidfd, const struct wanted *wanted, struct resident *r)
{
	struct proc_memory before, after;
	struct found found;
	uint64_t rss = 0;
	bool same;
	int err = procfs__memory(pidfd, &before);

	if (!err && !r->set.n)
		err = procfs__vmas(pidfd, SMAPS_MAPS, wanted->stop, &r->set);
	if (!err && (before.rss / r->set.n > wanted->most_bytes || r->set.n < wanted->least_vmas))
		return -E2BIG;
	if (!err && wanted->exact)
		err = add_sums(pidfd, r, &rss);
	if (!err && wanted->exact && has_other_kinds(&r->kinds))
		return -ENODATA;
	if (!err)
		err = count_pages(pidfd, &r->set);
	if (err)
		return err;
	found = add_up(&r->set);
	r->size = found.size;
	r->rss = found.rss;
	if (!wanted->exact && found.largest <= wanted->largest)
		err = add_sums(pidfd, r, &rss);
	if (err)
		return err;
	if (!settle_kinds(r, &found) && wanted->exact)
		return -EUCLEAN;
	same = r->summed && rss == r->rss && (!wanted->exact || found.swap == r->swap);
	if (wanted->exact)
		r->swap = found.swap;
	if (same && !r->kinds.bytes[PAGES_HUGETLB])
		return 0;
	err = procfs__memory(pidfd, &after);
	if (err)
		return err;
	if (r->summed &&
	    (r->kinds.bytes[PAGES_HUGETLB] || !memcmp(&before, &after, sizeof(before))))
		return -EUCLEAN;
	return proc_memory__lies_between(r->rss, &before, &after) ? 0 : -EUCLEAN;
}

void resident__add_up(struct resident *r)
{
	r->summed = r->sharing = true;
	for (size_t i = 0; i < r->set.n; i++) {
		const struct vma *vma = &r->set.vmas[i];

		r->size += vma->end - vma->start;
		r->rss += vma->rss;
		r->pss += vma->pss;
		r->swap += vma->swap;
		page_kinds__add(&r->kinds, &vma->kinds);
	}
}

int resident__read_smaps(int pidfd, const atomic_bool *stop, struct resident *ret)
{
	struct resident r = {};
	int err = procfs__vmas(pidfd, SMAPS_FULL, stop, &r.set);

	if (err)
		return err;
	resident__add_up(&r);
	*ret = r;
	return 0;
}

/* maps: its map, if it has been read. */
static int read_as_wanted(int pidfd, const struct wanted *wanted, struct vma_set maps,
			  struct resident *ret)
{
	struct resident r = {.kinds = page_kinds_unknown, .set = maps};
	int err = read_cheaply(pidfd, wanted, &r);

	if (!err) {
		*ret = r;
		return 0;
	}
	vma_set__free(&r.set);
	if (err == -ENOMEM || err == -ECANCELED)
		return err;
	/* Whatever it was: smaps may do, and if not, says why. */
	return resident__read_smaps(pidfd, wanted->stop, ret);
}

int resident__read(int pidfd, uint64_t largest, const atomic_bool *stop, struct resident *ret)
{
	const struct wanted wanted = {.largest = largest, .most_bytes = UINT64_MAX, .stop = stop};

	return read_as_wanted(pidfd, &wanted, (struct vma_set){}, ret);
}

int resident__read_report(int pidfd, size_t least_vmas, struct vma_set maps,
			  const atomic_bool *stop, struct resident *ret)
{
	const struct wanted wanted = {
		.most_bytes = PAGES_PER_VMA * sysconf(_SC_PAGESIZE),
		.least_vmas = least_vmas,
		.exact = true,
		.stop = stop,
	};
	int err = read_as_wanted(pidfd, &wanted, maps, ret);

	/* Of one that touches memory meanwhile. */
	if (!err && ret->pss > ret->rss)
		ret->pss = ret->rss;
	return err;
}
