/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for stacks that wait. They come by the megabyte, small things that stay are made among
 * them, and soon they go: in the heap they would leave a hole of a page or two between any two of
 * those that stay. So stacks that came one after the other are bundled, each bundle in memory of
 * its own, which goes back to the kernel when all of them have gone.
 *
 * A bundle is larger than what malloc takes from the heap (daemon.c), and only what is used of it
 * becomes resident.
 */
#ifndef MEMPROV_BUNDLE_H
#define MEMPROV_BUNDLE_H

#include <stddef.h>

#define BUNDLE_BYTES (384u << 10)

struct bundle;

/*
 * A piece of `size` bytes, at most a quarter of BUNDLE_BYTES and a multiple of 8, in *ret_bundle;
 * NULL when out of memory. It is cut from *open, or from a new bundle, which is *open from then on.
 * *open, NULL at first, is written again when that bundle goes: before its place does, detach it.
 */
void *bundle__cut(struct bundle **open, size_t size, struct bundle **ret_bundle);
void bundle__detach(struct bundle **open);

/* One of its pieces is needed no more. When it was the last one, the bundle goes, and the bytes of
 * all pieces that it ever had are returned; else 0. */
size_t bundle__put(struct bundle *bundle);

#endif
