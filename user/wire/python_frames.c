// SPDX-License-Identifier: BSD-2-Clause
#include "wire/python_frames.h"

#include <string.h>

/* Of the frame with number i. */
static bool is_kind(unsigned kind, size_t len, size_t i)
{
	switch (kind) {
	case 0:
		return !len;
	case MP_PYTHON_SAME:
		return len < i;
	case 1:
	case 2:
	case 4:
		return len && len <= MP_PYTHON_NAME_MAX && len % kind == 0;
	}
	return false;
}

static size_t text_len(unsigned kind, size_t len)
{
	return kind == MP_PYTHON_SAME ? 0 : len;
}

bool python__is_whole(const struct mp_python *python, size_t bytes)
{
	size_t text = 0, head;

	if (bytes < sizeof(*python) || bytes % 8 || !python->n || python->n > MP_PYTHON_FRAMES ||
	    python->cut > 1)
		return false;
	head = sizeof(*python) + python->n * sizeof(python->frames[0]);
	if (bytes < head)
		return false;
	for (size_t i = 0; i < python->n; i++) {
		const struct mp_python_frame *frame = &python->frames[i];

		if (!is_kind(frame->name_kind, frame->name_len, i) ||
		    !is_kind(frame->file_kind, frame->file_len, i) ||
		    frame->lines_len > MP_PYTHON_LINES_MAX)
			return false;
		text += text_len(frame->name_kind, frame->name_len) +
			text_len(frame->file_kind, frame->file_len) + frame->lines_len;
	}
	/* Rounded up. */
	return text <= bytes - head;
}

const struct mp_python *stack__python(const struct mp_stack *stack)
{
	return stack->python ? (const void *)(stack->data + stack->bytes) : NULL;
}

void python_cursor__begin(struct python_cursor *cursor, const struct mp_python *python)
{
	cursor->python = python;
	cursor->next = cursor->used = 0;
}

static const uint8_t *take(struct python_cursor *cursor, size_t len)
{
	const struct mp_python *python = cursor->python;
	const uint8_t *at = (const uint8_t *)(python->frames + python->n) + cursor->used;

	cursor->used += len;
	return at;
}

static struct python_text take_text(struct python_cursor *cursor, size_t len, unsigned kind)
{
	return kind ? (struct python_text){take(cursor, len), len, kind} : (struct python_text){};
}

const struct python_frame *python_cursor__next(struct python_cursor *cursor)
{
	const struct mp_python *python = cursor->python;
	struct python_frame *frame = &cursor->frames[cursor->next];
	const struct mp_python_frame *raw;

	if (!python || cursor->next >= python->n)
		return NULL;
	raw = &python->frames[cursor->next++];
	if (raw->name_kind == MP_PYTHON_SAME) {
		*frame = cursor->frames[raw->name_len];
		frame->raw.at = raw->at;
		frame->raw.instr = raw->instr;
		return frame;
	}
	*frame = (struct python_frame){.raw = *raw};
	frame->name = take_text(cursor, raw->name_len, raw->name_kind);
	frame->file = raw->file_kind == MP_PYTHON_SAME
			      ? cursor->frames[raw->file_len].file
			      : take_text(cursor, raw->file_len, raw->file_kind);
	frame->lines_len = raw->lines_len;
	frame->lines = raw->lines_len ? take(cursor, raw->lines_len) : NULL;
	return frame;
}
