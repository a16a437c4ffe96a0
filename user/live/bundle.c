// SPDX-License-Identifier: BSD-2-Clause
#include "live/bundle.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of a bundle that is spared so much stays in memory: most need no more. */
#define SPARED_BYTES (64u << 10)

struct bundle {
	struct bundle **open; /* where this is noted as the one to cut from; NULL: nowhere */
	size_t n;	      /* pieces that are needed */
	size_t used;
	_Alignas(max_align_t) char bytes[BUNDLE_BYTES];
};

static struct bundle *make(void)
{
	void *bundle = mmap(NULL, sizeof(struct bundle), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return bundle == MAP_FAILED ? NULL : bundle;
}

/* The next one may use little of it, and is charged for no more. */
static void shrink(struct bundle *bundle)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *from = bundle->bytes + SPARED_BYTES;

	if (bundle->used <= SPARED_BYTES)
		return;
	from += page - (uintptr_t)from % page;
	madvise(from, (char *)(bundle + 1) - from, MADV_DONTNEED);
}

static void unmake(struct bundle *bundle)
{
	munmap(bundle, sizeof(*bundle));
}

void bundle__detach(struct bundle **open)
{
	if (*open)
		(*open)->open = NULL;
	*open = NULL;
}

void spare__free(struct spare *spare)
{
	while (spare->n)
		unmake(spare->bundles[--spare->n]);
}

void *bundle__cut(struct spare *spare, struct bundle **open, size_t size,
		  struct bundle **ret_bundle)
{
	struct bundle *bundle = *open;
	void *piece;

	if (!bundle || sizeof(bundle->bytes) - bundle->used < size) {
		bundle = spare->n ? spare->bundles[--spare->n] : make();
		if (!bundle)
			return NULL;
		bundle->open = open;
		bundle->n = bundle->used = 0;
		bundle__detach(open);
		*open = bundle;
	}
	piece = bundle->bytes + bundle->used;
	bundle->used += size;
	bundle->n++;
	*ret_bundle = bundle;
	return piece;
}

size_t bundle__put(struct spare *spare, struct bundle *bundle)
{
	size_t used = bundle->used;

	if (--bundle->n)
		return 0;
	if (bundle->open)
		*bundle->open = NULL;
	if (spare->n == SPARE_MAX) {
		unmake(bundle);
	} else {
		shrink(bundle);
		spare->bundles[spare->n++] = bundle;
	}
	return used;
}
