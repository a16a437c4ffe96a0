// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as the frames of Python behind a stack: their texts, lines, and their places among
 * native frames. The first byte says how many of these there are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "child/python_text.h"
#include "child/reply_parts.h"
#include "wire/python_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STACK_AT 0x1000

static void check_texts(const struct mp_python *python)
{
	struct arena *arena = arena__new();
	const struct python_frame *frame;
	struct python_cursor cursor;
	size_t n = 0;

	python_cursor__begin(&cursor, python);
	while ((frame = python_cursor__next(&cursor))) {
		const char *name = python_text__utf8(&frame->name, arena);

		if (frame->name.kind && !name)
			abort();
		if (name && (strlen(name) > 4 * MP_PYTHON_NAME_MAX || !*name))
			abort();
		python_lines__find(frame->lines, frame->lines_len, frame->raw.first_line,
				   frame->raw.instr);
		n++;
	}
	if (n != python->n)
		abort();
	arena__free(arena);
}

static void check_places(const struct mp_python *python, size_t n)
{
	static uint64_t copy[512];
	struct reply *reply = reply__new(NULL);
	struct found_stack *found = calloc(1, sizeof(*found));
	size_t before;

	found->stack.pieces = (struct pieces){{STACK_AT, 0}, {sizeof(copy), 0}, (void *)copy};
	for (size_t i = 0; i < n && i < FRAMES_MAX; i++) {
		reply->frames[reply->n++].found = i;
		reply->frames[i].function = i % 3 ? "f" : "_PyEval_EvalFrameDefault";
		found->frames[found->n++].sp = n % 2 ? STACK_AT + i * 16 : 0;
	}
	before = reply->n;
	if (reply__add_python(reply, found, python) && (!before || reply->n < python->n))
		abort();
	if (reply->n > FRAMES_MAX)
		abort();
	reply__free(reply);
	free(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_python *python;
	size_t bytes = size ? size - 1 : 0;

	if (!size)
		return 0;
	python = malloc(bytes + 1);
	if (!python)
		abort();
	memcpy(python, data + 1, bytes);
	if (python__is_whole(python, bytes)) {
		check_texts(python);
		check_places(python, data[0]);
	}
	free(python);
	return 0;
}
