// SPDX-License-Identifier: BSD-2-Clause
#include "report/region_sharing.h"

#include <errno.h>
#include <unistd.h>

#include "proc/mapcounts.h"
#include "proc/pagemap.h"
#include "reconcile/largest.h"
#include "util/cleanup.h"

/* A VMA of smaps costs 1.2 us; a mapcount 0.3, and an entry of pagemap 0.005. */
#define MAPCOUNTS_PER_VMA 2
#define ENTRIES_PER_VMA	  100

bool region_sharing__asks_mapcounts(const struct detail *detail)
{
	return detail->pss || detail->regions == SIZE_MAX;
}

static int ask_mapcounts(struct region_sharing *s, struct vma *vmas, size_t n)
{
	if (s->frames < 0 && s->mapcounts)
		s->frames = mapcounts__open(s->mapcounts, s->pidfd);
	return s->frames < 0 ? -ENODATA : mapcounts__add(s->mapcounts, s->frames, vmas, n);
}

/* So many resident bytes may be asked about. */
static uint64_t affordable(const struct region_sharing *s, const struct vma_set *set)
{
	return set->n * MAPCOUNTS_PER_VMA * s->page_size;
}

int region_sharing__of_all(struct region_sharing *s, struct vma_set *set)
{
	uint64_t rss = 0, size = 0;

	for (size_t i = 0; i < set->n; i++) {
		rss += set->vmas[i].rss;
		size += set->vmas[i].rss ? set->vmas[i].end - set->vmas[i].start : 0;
	}
	if (rss > affordable(s, set) || size > set->n * ENTRIES_PER_VMA * s->page_size)
		return -E2BIG;
	return ask_mapcounts(s, set->vmas, set->n);
}

static bool has_huge_pages(const struct vma *vma)
{
	const uint64_t *bytes = vma->kinds.bytes;

	return bytes[PAGES_ANON_HUGE] || bytes[PAGES_SHMEM_HUGE] || bytes[PAGES_FILE_HUGE];
}

static int ask_pagemap(const struct region_sharing *s, struct vma *vma)
{
	uint64_t private_;
	int err = pagemap__count_exclusive(s->pagemap, vma->start, vma->end, &private_);

	if (err)
		return err;
	/* It may have been touched since. */
	vma->private_dirty = private_ < vma->rss ? private_ : vma->rss;
	vma->shared_dirty = vma->rss - vma->private_dirty;
	return 0;
}

/* Of the VMA that the part lies in, once, unless it is more than is left. */
static int add_at(struct region_sharing *s, struct vma_set *set, struct part_list *parts,
		  size_t place, uint64_t *left)
{
	struct part *part = &parts->parts[place], *end = parts->parts + parts->n;
	struct vma *vma = (struct vma *)vma_set__find(set, part->start);
	size_t n = 1;
	int err;

	if (!vma->rss || vma->private_dirty || vma->shared_dirty)
		return 0;
	if (vma->rss > *left)
		return -ENODATA;
	*left -= vma->rss;
	if (s->detail.pss || has_huge_pages(vma))
		err = ask_mapcounts(s, vma, 1);
	else
		err = ask_pagemap(s, vma);
	if (err)
		return -ENODATA;
	while (part > parts->parts && part[-1].start >= vma->start)
		part--;
	while (part + n < end && part[n].start < vma->end)
		n++;
	return parts__share_out(vma, part, n);
}

int region_sharing__of_largest(struct region_sharing *s, struct vma_set *set,
			       struct part_list *parts)
{
	uint64_t left = s->detail.pss ? affordable(s, set) : UINT64_MAX;
	_cleanup_free_ size_t *places = NULL;
	size_t n = 0;
	int err = 0;

	if (s->detail.regions)
		err = parts__largest(parts->parts, parts->n, s->detail.regions, &places, &n);
	for (size_t i = 0; !err && i < n; i++)
		err = add_at(s, set, parts, places[i], &left);
	return err;
}

void region_sharing__close(struct region_sharing *s)
{
	if (s->frames >= 0)
		close(s->frames);
	s->frames = -1;
}
