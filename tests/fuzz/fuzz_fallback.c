// SPDX-License-Identifier: BSD-2-Clause
/* Any stack, as the parent tells its frames by itself: each lies in code that is known. */
#include "stack_input.h"

#include "symbolize/fallback.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct image_row rows[] = {
		{{.start = 0x400000, .end = 0x500000, .offset = 0x1000}, "/bin/a"},
		{{.start = 0x600000, .end = 0x601000}, NULL},
		{{.start = 0x601000, .end = 0x603000, .beside = 0x601000}, "/bin/b"},
	};
	static const struct image known = {.rows = rows, .n = ARRAY_SIZE(rows), .read_ns = 7};
	struct mp_stack *stack = stack_input(data, size);
	struct arena *arena = arena__new();
	struct unwound unwound = {};

	if (stack && fallback__unwind(data[0] & 2 ? &known : NULL, stack, arena, &unwound))
		abort();
	if (unwound.n > FRAMES_MAX || (stack && !unwound.truncated))
		abort();
	for (size_t i = 0; i < unwound.n; i++) {
		const struct frame *frame = &unwound.frames[i];

		if (frame->module ? strcmp(frame->module, "/bin/a") || frame->offset < 0x1000 ||
					    frame->offset >= 0x101000
				  : frame->offset != frame->ip - (i ? 1 : 0))
			abort();
	}
	arena__free(arena);
	free(stack);
	return 0;
}
