// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/share.h"

/* total * done / whole, without overflow; 0 when there is nothing to go by. */
static uint64_t portion(uint64_t total, uint64_t done, uint64_t whole)
{
	return whole ? (uint64_t)((unsigned __int128)total * done / whole) : 0;
}

/*
 * Shares out `total` by weights: the i-th part gets what its running sum has more than the one
 * before it. So the parts add up exactly, none is negative, and none gets more than a unit above
 * its due; with a total of no more than the sum of the weights, none gets more than its weight.
 * `unit` is what may not be cut: a page, or a byte.
 */
static void share_out(uint64_t total, uint64_t unit, struct share *shares, size_t n,
		      uint64_t (*weight)(const struct share *),
		      void (*add)(struct share *, uint64_t))
{
	uint64_t whole = 0, done = 0, given = 0;

	for (size_t i = 0; i < n; i++)
		whole += weight(&shares[i]);
	for (size_t i = 0; i < n; i++) {
		uint64_t due;

		done += weight(&shares[i]);
		due = i + 1 == n ? total : portion(total / unit, done, whole) * unit;
		add(&shares[i], due - given);
		given = due;
	}
}

#define WEIGHT(name, field)                                                                        \
	static uint64_t name##_of(const struct share *s)                                           \
	{                                                                                          \
		return s->field;                                                                   \
	}
#define ADDER(name, field)                                                                         \
	static void add_##name(struct share *s, uint64_t value)                                    \
	{                                                                                          \
		s->field += value;                                                                 \
	}

WEIGHT(resident, resident)
WEIGHT(huge, huge)
WEIGHT(rss, rss)
ADDER(rss, rss)
ADDER(pss, pss)
ADDER(private, private_)
ADDER(swap, swap)

/* What of a part is neither resident nor swapped as yet. */
static uint64_t room_of(const struct share *s)
{
	return s->size - s->rss - s->swap;
}

/* After resident pages were shared out: an estimate of them may have taken the room. */
static uint64_t swapped_of(const struct share *s)
{
	return s->swapped < room_of(s) ? s->swapped : room_of(s);
}

static uint64_t sum(const struct share *shares, size_t n, uint64_t (*weight)(const struct share *))
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += weight(&shares[i]);
	return total;
}

/* Pages by where they were counted, and what was not counted where there is room for it. */
static void share_pages(uint64_t total, uint64_t unit, struct share *shares, size_t n,
			uint64_t (*counted)(const struct share *),
			void (*add)(struct share *, uint64_t))
{
	uint64_t found = sum(shares, n, counted);
	share_out(total < found ? total : found, unit, shares, n, counted, add);
	if (total > found)
		share_out(total - found, unit, shares, n, room_of, add);
}

/* What was counted and is of this kind; NULL: nothing tells. */
static uint64_t (*counted_as(enum page_kind kind))(const struct share *)
{
	switch (kind) {
	case PAGES_HUGETLB:
		return resident_of;
	case PAGES_ANON_HUGE:
	case PAGES_SHMEM_HUGE:
	case PAGES_FILE_HUGE:
		return huge_of;
	default:
		return NULL;
	}
}

/* A part that has all of the Rss has all of its pages' kinds; one that has none of it has none.
 * hugetlb's pages are not in Rss, nor are those that KSM has merged with the zero page. */
static uint64_t infer_kind(const struct vma *vma, enum page_kind kind, const struct share *share)
{
	uint64_t total = vma->kinds.bytes[kind];

	if (share->source == RSS_ESTIMATED || kind == PAGES_HUGETLB || kind == PAGES_KSM)
		return UNKNOWN_BYTES;
	if (share->rss == vma->rss)
		return total;
	return share->rss && total != vma->rss ? UNKNOWN_BYTES : share->rss;
}

static void share_kind(const struct vma *vma, enum page_kind kind, struct share *shares, size_t n)
{
	uint64_t (*counted)(const struct share *) = counted_as(kind);
	uint64_t total = vma->kinds.bytes[kind];
	bool of_all = !total || total == UNKNOWN_BYTES;
	bool was_counted = counted && sum(shares, n, counted) == total;

	for (size_t i = 0; i < n; i++) {
		uint64_t *bytes = &shares[i].kinds.bytes[kind];

		if (of_all)
			*bytes = total;
		else if (was_counted)
			*bytes = counted(&shares[i]);
		else
			*bytes = infer_kind(vma, kind, &shares[i]);
	}
}

void share__sharing(const struct vma *vma, struct share *shares, size_t n)
{
	share_out(vma->pss, 1, shares, n, rss_of, add_pss);
	share_out(vma->private_clean + vma->private_dirty, 1, shares, n, rss_of, add_private);
	/* Private and shared pages are all there are. */
	for (size_t i = 0; i < n; i++)
		shares[i].shared = shares[i].rss - shares[i].private_;
}

/* The VMA is one part. */
static void share_all(const struct vma *vma, struct share *share)
{
	share->rss = vma->rss;
	share->pss = vma->pss;
	share->private_ = vma->private_clean + vma->private_dirty;
	share->shared = vma->rss - share->private_;
	share->swap = vma->swap;
	share->kinds = vma->kinds;
	share->source = RSS_SMAPS;
}

void share__vma(const struct vma *vma, uint64_t page_size, bool counted, struct share *shares,
		size_t n)
{
	bool whole = !vma->rss && !vma->swap;
	enum rss_source source = RSS_ESTIMATED;
	/* A VMA that was torn, and cut by size, has any number of bytes. */
	uint64_t unit = vma->rss % page_size || vma->swap % page_size ? 1 : page_size;

	if (n == 1) {
		share_all(vma, shares);
		return;
	}
	for (size_t i = 0; i < n && !counted; i++)
		shares[i].resident = shares[i].swapped = shares[i].huge = 0;
	if (whole)
		source = RSS_SMAPS;
	else if (counted && sum(shares, n, resident_of) == vma->rss)
		source = RSS_PAGEMAP;

	share_pages(vma->rss, unit, shares, n, resident_of, add_rss);
	share_pages(vma->swap, unit, shares, n, swapped_of, add_swap);
	share__sharing(vma, shares, n);
	for (size_t i = 0; i < n; i++)
		shares[i].source = source;
	for (int kind = 0; kind < PAGE_KINDS; kind++)
		share_kind(vma, kind, shares, n);
}
