// SPDX-License-Identifier: BSD-2-Clause
#include "proc/sharing.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "proc/pagemap.h"

/* As fs/proc/task_mmu.c adds up parts of a page before it rounds down to kB. */
#define PSS_SHIFT 12
#define KB	  1024

/* To read an entry costs some 5 ns, and a read 500. */
#define GAP_PAGES 64

struct sums {
	uint64_t private_; /* pages */
	uint64_t shared;
	uint64_t pss; /* bytes << PSS_SHIFT, of what is shared */
};

static int read_counts(int kpagecount, uint64_t frame, uint64_t *counts, size_t n)
{
	ssize_t len;

	do {
		len = pread(kpagecount, counts, n * sizeof(*counts), frame * sizeof(*counts));
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	return len == (ssize_t)(n * sizeof(*counts)) ? 0 : -EIO;
}

/* How many of the entries, the first of which is present, are so and lie behind each other in
 * memory, too: their counts are read at once. */
static size_t run_of(const uint64_t *entries, size_t n)
{
	size_t i = 1;

	while (i < n && entries[i] & PAGEMAP_PRESENT &&
	       (entries[i] & PAGEMAP_FRAME) == (entries[i - 1] & PAGEMAP_FRAME) + 1)
		i++;
	return i;
}

/* Of a huge page, whose entries lie behind each other, all are said to be what the first is (see
 * PAGEMAP_EXCLUSIVE). */
static bool is_ours(uint64_t entry, size_t run)
{
	return run == 1 && entry & PAGEMAP_EXCLUSIVE;
}

/* What its last other user has let go of meanwhile is private by now. */
static void add_counts(const uint64_t *counts, size_t n, uint64_t page, struct sums *sums)
{
	for (size_t i = 0; i < n; i++) {
		sums->private_ += counts[i] == 1;
		sums->shared += counts[i] > 1;
		if (counts[i] > 1)
			sums->pss += (page << PSS_SHIFT) / counts[i];
	}
}

static int add_entries(int kpagecount, const uint64_t *entries, size_t n, uint64_t page,
		       struct sums *sums)
{
	uint64_t counts[PAGEMAP_ENTRIES];
	int err = 0;

	for (size_t i = 0, run; !err && i < n; i += run) {
		run = 1;
		if (!(entries[i] & PAGEMAP_PRESENT))
			continue;
		run = run_of(&entries[i], n - i);
		counts[0] = 1;
		if (!is_ours(entries[i], run))
			err = read_counts(kpagecount, entries[i] & PAGEMAP_FRAME, counts, run);
		if (!err)
			add_counts(counts, run, page, sums);
	}
	return err;
}

/* Entries that were read at once: often those of several VMAs. */
struct window {
	uint64_t start; /* addresses */
	uint64_t end;
	uint64_t entries[PAGEMAP_ENTRIES];
};

/* Up to where one read may go: through the VMAs behind this one, if little lies between them. */
static uint64_t reach(const struct vma *vma, const struct vma *last, uint64_t page)
{
	uint64_t far = vma->start + PAGEMAP_ENTRIES * page;

	while (vma < last && vma->end < far && vma[1].start - vma->end <= GAP_PAGES * page)
		vma++;
	return vma->end;
}

static int move(struct window *w, int pagemap, uint64_t addr, uint64_t end)
{
	ssize_t n;

	w->start = w->end = addr;
	n = pagemap__read_next(pagemap, &w->end, end, w->entries);
	if (n > 0)
		return 0;
	return n ?: -ENODATA; /* it ended before the VMA did */
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

static void keep(struct vma *vma, const struct sums *sums, uint64_t page)
{
	uint64_t pss = sums->private_ * page + (sums->pss >> PSS_SHIFT);

	vma->private_dirty = at_most(sums->private_ * page, vma->rss);
	vma->shared_dirty = at_most(sums->shared * page, vma->rss - vma->private_dirty);
	vma->pss = at_most(pss / KB * KB, vma->rss);
}

int sharing__add(int kpagecount, int pagemap, struct vma *vmas, size_t n)
{
	uint64_t page = sysconf(_SC_PAGESIZE), some;
	struct window w = {};
	int err = 0;

	for (struct vma *vma = vmas; vma < vmas + n; vma++) {
		struct sums sums = {};

		if (!vma->rss)
			continue;
		for (uint64_t addr = vma->start; addr < vma->end; addr += some * page) {
			if (addr < w.start || addr >= w.end)
				err = move(&w, pagemap, addr, reach(vma, vmas + n - 1, page));
			some = err ? 0 : (at_most(vma->end, w.end) - addr) / page;
			err = err
				      ?: add_entries(kpagecount,
						     &w.entries[(addr - w.start) / page], some,
						     page, &sums);
			if (err)
				return err;
		}
		keep(vma, &sums, page);
	}
	return 0;
}

int64_t sharing__mapcount(int kpagecount, int pagemap, uint64_t addr)
{
	uint64_t entries[PAGEMAP_ENTRIES], page = sysconf(_SC_PAGESIZE), count;
	uint64_t start = addr / page * page;
	ssize_t n = pagemap__read_next(pagemap, &start, start + page, entries);
	int err;

	if (n <= 0 || !(entries[0] & PAGEMAP_PRESENT) || !(entries[0] & PAGEMAP_FRAME))
		return n < 0 ? n : -ENODATA;
	err = read_counts(kpagecount, entries[0] & PAGEMAP_FRAME, &count, 1);
	return err ?: (int64_t)count;
}
