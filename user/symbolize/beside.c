// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/beside.h"

static bool same_file(const struct vma *a, const struct vma *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

const struct vma *beside__find(struct beside *beside, size_t index)
{
	const struct vma_set *set = beside->set;
	const struct vma *behind;

	for (; beside->at < index; beside->at++) {
		const struct vma *vma = &set->vmas[beside->at];

		if (vma->kind == VMA_FILE && (!beside->first || !same_file(vma, beside->first)))
			beside->first = vma;
	}
	if (beside->next <= index)
		beside->next = index + 1;
	while (beside->next < set->n && set->vmas[beside->next].kind != VMA_FILE)
		beside->next++;
	if (beside->next >= set->n)
		return NULL;
	behind = &set->vmas[beside->next];
	if (beside->first && same_file(beside->first, behind))
		return beside->first;
	/* Of a file that begins here nothing is missing. */
	return behind->offset ? behind : NULL;
}
