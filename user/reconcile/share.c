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
 * its due. `unit` is what may not be cut: a page, or a byte.
 */
static void share_out(uint64_t total, uint64_t unit, const struct share *shares, size_t n,
		      uint64_t (*weight)(const struct share *),
		      void (*set)(struct share *, uint64_t), struct share *to)
{
	uint64_t whole = 0, done = 0, given = 0;

	for (size_t i = 0; i < n; i++)
		whole += weight(&shares[i]);
	for (size_t i = 0; i < n; i++) {
		uint64_t due;

		done += weight(&shares[i]);
		due = i + 1 == n ? total : portion(total / unit, done, whole) * unit;
		set(&to[i], due - given);
		given = due;
	}
}

#define ACCESSORS(name, field)                                                                     \
	static uint64_t name##_of(const struct share *s)                                           \
	{                                                                                          \
		return s->field;                                                                   \
	}
#define SETTER(name, field)                                                                        \
	static void set_##name(struct share *s, uint64_t value)                                    \
	{                                                                                          \
		s->field = value;                                                                  \
	}

ACCESSORS(size, size)
ACCESSORS(resident, resident)
ACCESSORS(swapped, swapped)
ACCESSORS(rss, rss)
SETTER(rss, rss)
SETTER(pss, pss)
SETTER(private, private_)
SETTER(swap, swap)

static uint64_t sum(const struct share *shares, size_t n, uint64_t (*weight)(const struct share *))
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += weight(&shares[i]);
	return total;
}

void share__vma(const struct vma *vma, uint64_t page_size, bool counted, struct share *shares,
		size_t n)
{
	uint64_t private_ = vma->private_clean + vma->private_dirty;
	uint64_t resident = counted ? sum(shares, n, resident_of) : 0;
	uint64_t swapped = counted ? sum(shares, n, swapped_of) : 0;
	bool exact = n == 1 || !vma->rss || resident == vma->rss;
	enum rss_source source = n == 1 || !vma->rss ? RSS_SMAPS
				 : exact	     ? RSS_PAGEMAP
						     : RSS_ESTIMATED;

	share_out(vma->rss, exact && n > 1 ? 1 : page_size, shares, n,
		  resident ? resident_of : size_of, set_rss, shares);
	share_out(vma->swap, page_size, shares, n, swapped ? swapped_of : size_of, set_swap,
		  shares);
	share_out(vma->pss, 1, shares, n, vma->rss ? rss_of : size_of, set_pss, shares);
	share_out(private_, 1, shares, n, vma->rss ? rss_of : size_of, set_private, shares);
	for (size_t i = 0; i < n; i++) {
		/* Private and shared pages are all there are. */
		shares[i].shared = shares[i].rss - shares[i].private_;
		shares[i].source = source;
	}
}
