/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parent can tell of a stack by itself, without reading a file: pure. */
#ifndef MEMPROV_FALLBACK_H
#define MEMPROV_FALLBACK_H

#include <linux/types.h>

#include "event.h"
#include "symbolize/images.h"
#include "util/arena.h"
#include "wire/frame.h"

/*
 * Frames with module and offset in the file, which of most programs is the address in it, too. Of a
 * list, those that lie in code; of a copy, the innermost, and what frame pointers say where nothing
 * can be verified but that they ascend and lead to code. `image` may be NULL: nothing is known.
 * Always truncated, and the answer is for once. 0 or -ENOMEM.
 */
int fallback__unwind(const struct image *image, const struct mp_stack *stack, struct arena *arena,
		     struct unwound *ret);

#endif
