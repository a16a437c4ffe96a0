// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/fallback.h"

#include <errno.h>
#include <string.h>

#include "util/pac.h"
#include "wire/fp.h"
#include "wire/machine.h"

/* False when no code is there, as far as is known. */
static bool add_frame(const struct image *image, uint64_t ip, struct frame *frames, size_t *n)
{
	uint64_t pc = ip - (*n ? 1 : 0);
	const struct image_row *row = image ? image__row_at(image, pc) : NULL;

	if (image && !row)
		return false;
	frames[*n] = (struct frame){.ip = ip, .offset = pc};
	/* What lies beside a file's code has not been compared with the file. */
	if (row && row->name && !row->wire.beside) {
		frames[*n].module = row->name;
		frames[*n].offset = pc - row->wire.start + row->wire.offset;
	}
	++*n;
	return true;
}

static size_t unwind_list(const struct image *image, const struct mp_stack *stack,
			  struct frame *frames)
{
	uint64_t ip;
	size_t n = 0;

	for (size_t i = 0; i < stack->bytes / sizeof(ip) && n < FRAMES_MAX; i++) {
		memcpy(&ip, stack->data + i * sizeof(ip), sizeof(ip));
		if (!add_frame(image, ip, frames, &n))
			break;
	}
	return n;
}

static size_t unwind_copy(const struct image *image, const struct mp_stack_copy *copy,
			  struct copied_stack *stack, struct frame *frames)
{
	struct machine machine = {}, caller;
	uint64_t pc;
	size_t n = 0;

	for (unsigned reg = 0; reg < MACHINE_REGS; reg++)
		machine__set(&machine, reg, copy->regs[reg]);
	add_frame(image, pac__strip(copy->regs[MACHINE_PC]), frames, &n);
	/* Of a process nothing is known of, whatever the register holds is no pointer to a frame.
	 */
	while (image && n && n < FRAMES_MAX && fp__step(&machine, stack, &caller, &pc)) {
		if (!add_frame(image, pc, frames, &n))
			break;
		machine = caller;
	}
	return n;
}

int fallback__unwind(const struct image *image, const struct mp_stack *stack, struct arena *arena,
		     struct unwound *ret)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;
	struct copied_stack copied;
	uint32_t *words;
	struct unwound unwound = {
		.source = STACK_SOURCE_FP, .truncated = true, .lasts = STACK_IS_ONCE};
	struct frame *frames = arena__alloc(arena, FRAMES_MAX * sizeof(*frames));
	int err = 0;

	if (!frames)
		return -ENOMEM;
	if (stack->kind == MP_STACK_COPY) {
		words = arena__alloc(arena, copied_stack__words(stack) * sizeof(*words) + 1);
		if (!words)
			return -ENOMEM;
		copied_stack__begin(&copied, stack, words);
		unwound.n = unwind_copy(image, copy, &copied, frames);
	} else {
		unwound.n = unwind_list(image, stack, frames);
	}
	/* The image and its names change with the next request. */
	for (size_t i = 0; !err && i < unwound.n; i++) {
		if (frames[i].module) {
			frames[i].module = arena__strdup(arena, frames[i].module);
			err = frames[i].module ? 0 : -ENOMEM;
		}
	}
	unwound.frames = frames;
	unwound.map_read_ns = image ? image->read_ns : 0;
	unwound.map_end_ns = image ? image->end_ns : 0;
	if (!err)
		*ret = unwound;
	return err;
}
