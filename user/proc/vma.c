// SPDX-License-Identifier: BSD-2-Clause
#include "proc/vma.h"

#include <stdlib.h>
#include <string.h>

void vma_set__free(struct vma_set *set)
{
	free(set->vmas);
	buf__free(&set->names);
	memset(set, 0, sizeof(*set));
}

const char *vma_set__name(const struct vma_set *set, const struct vma *vma)
{
	return vma->name < set->names.len ? set->names.data + vma->name : "";
}

void vma_set__anon_name(const struct vma_set *set, const struct vma *vma, char *name, size_t len)
{
	const char *text = vma_set__name(set, vma);
	size_t n = 0;

	if (!len)
		return;
	if (vma->kind == VMA_ANON_NAMED || vma->kind == VMA_SHMEM_NAMED) {
		text = strchrnul(text, ':');
		text += *text == ':';
		text += strspn(text, " ");
		n = strlen(text);
		/* A name that was cut has no bracket at its end. */
		if (n && text[n - 1] == ']')
			n--;
		if (n >= len)
			n = len - 1;
		memcpy(name, text, n);
	}
	name[n] = '\0';
}

const struct vma *vma_set__find(const struct vma_set *set, uint64_t addr)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addr < set->vmas[middle].start)
			high = middle;
		else if (addr >= set->vmas[middle].end)
			low = middle + 1;
		else
			return &set->vmas[middle];
	}
	return NULL;
}
