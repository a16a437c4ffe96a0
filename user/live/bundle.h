/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for stacks that wait. They come by the megabyte, small things that stay are made among
 * them, and soon they go: in the heap they would leave a hole of a page or two between any two of
 * those that stay. So stacks that came one after the other are bundled, each bundle in memory of
 * its own, which goes back to the kernel when all of them have gone. A few are spared for the next
 * ones meanwhile: a build has a bundle for each of its processes, and to map and to fault in each
 * anew took a quarter of the daemon's CPU time.
 *
 * A bundle is mapped, whatever malloc would do with its size (daemon.c tells it to keep much in the
 * heap), and only what is used of it becomes resident.
 */
#ifndef MEMPROV_BUNDLE_H
#define MEMPROV_BUNDLE_H

#include <stddef.h>

#define BUNDLE_BYTES (384u << 10)

#define SPARE_MAX 4

struct bundle;

/* Bundles without pieces; zeroed at first. */
struct spare {
	struct bundle *bundles[SPARE_MAX];
	size_t n;
};

void spare__free(struct spare *spare);

/*
 * A piece of `size` bytes, at most a quarter of BUNDLE_BYTES and a multiple of 8, in *ret_bundle;
 * NULL when out of memory. It is cut from *open, or from another bundle, which is *open from then
 * on. *open, NULL at first, is written again when that bundle goes: before its place does, detach
 * it.
 */
void *bundle__cut(struct spare *spare, struct bundle **open, size_t size,
		  struct bundle **ret_bundle);
void bundle__detach(struct bundle **open);

/* One of its pieces is needed no more. When it was the last one, the bundle goes, or is spared, and
 * the bytes of all pieces that it ever had are returned; else 0. */
size_t bundle__put(struct spare *spare, struct bundle *bundle);

#endif
