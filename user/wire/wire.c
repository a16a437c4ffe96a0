// SPDX-License-Identifier: BSD-2-Clause
#include "wire/wire.h"

#include <errno.h>
#include <string.h>

#include "wire/machine.h"

struct cursor {
	const uint8_t *pos;
	size_t left;
};

static const void *take(struct cursor *cursor, size_t len)
{
	const void *piece = cursor->pos;

	if (cursor->left < len)
		return NULL;
	cursor->pos += len;
	cursor->left -= len;
	return piece;
}

static int take_copy(struct cursor *cursor, void *ret, size_t len)
{
	const void *piece = take(cursor, len);

	if (!piece)
		return -EBADMSG;
	memcpy(ret, piece, len);
	return 0;
}

/* NULL in *ret for an empty one. */
static int take_string(struct cursor *cursor, struct arena *arena, size_t len, const char **ret)
{
	const void *bytes = take(cursor, len);
	char *text;

	*ret = NULL;
	if (!bytes || len > WIRE_STRING_MAX || memchr(bytes, '\0', len))
		return -EBADMSG;
	if (!len)
		return 0;
	text = arena__alloc(arena, len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, bytes, len);
	*ret = text;
	return 0;
}

static int take_hex(struct cursor *cursor, struct arena *arena, size_t len, const char **ret)
{
	const uint8_t *bytes = take(cursor, len);
	char *text;

	*ret = NULL;
	if (!bytes || len > WIRE_BUILD_ID_MAX)
		return -EBADMSG;
	if (!len)
		return 0;
	text = arena__alloc(arena, 2 * len + 1);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	*ret = text;
	return 0;
}

static int read_word(struct wire_reading *reading, struct cursor *cursor)
{
	struct stack_word *word;
	uint32_t offset;

	if (take_copy(cursor, &offset, sizeof(offset)))
		return -EBADMSG;
	if (reading->n_words >= reading->words_max)
		return -EBADMSG;
	/* The value is what we sent, not what comes back. */
	word = &reading->words[reading->n_words];
	word->offset = offset & ~COPIED_WORD_COUNTS;
	word->counts = offset & COPIED_WORD_COUNTS;
	if (!pieces__word(&reading->copy, word->offset, &word->value))
		return -EBADMSG;
	reading->n_words++;
	return 0;
}

static int read_frame(struct wire_reading *reading, struct cursor *cursor)
{
	struct wire_frame wire;
	struct frame *frame;
	int err;

	if (reading->n_frames >= FRAMES_MAX || take_copy(cursor, &wire, sizeof(wire)))
		return -EBADMSG;
	if (wire.inlined > 1 || wire.language >= FRAME_LANGUAGES ||
	    (wire.row != WIRE_NO_ROW && wire.row >= reading->n_modules))
		return -EBADMSG;
	frame = &reading->frames[reading->n_frames];
	*frame = (struct frame){
		.language = wire.language,
		.line = wire.line,
		.inlined = wire.inlined,
		.module = wire.row == WIRE_NO_ROW ? NULL : reading->modules[wire.row],
		.offset = wire.offset,
		.ip = wire.ip,
	};
	err = take_string(cursor, reading->arena, wire.function_len, &frame->function);
	err = err ?: take_string(cursor, reading->arena, wire.file_len, &frame->file);
	err = err ?: take_hex(cursor, reading->arena, wire.build_id_len, &frame->build_id);
	if (err)
		return err;
	reading->nameless |= frame->language == FRAME_OF_PYTHON && !frame->function;
	reading->n_frames++;
	return 0;
}

static int make_room(struct wire_reading *reading)
{
	if (reading->frames)
		return 0;
	reading->frames = arena__alloc(reading->arena, FRAMES_MAX * sizeof(*reading->frames));
	reading->words =
		arena__alloc(reading->arena, reading->words_max * sizeof(*reading->words) + 1);
	return reading->frames && reading->words ? 0 : -ENOMEM;
}

int wire__read_answer(struct wire_reading *reading, const void *packet, size_t len)
{
	struct cursor cursor = {packet, len};
	struct wire_answer answer;
	int err;

	if (take_copy(&cursor, &answer, sizeof(answer)) || answer.head.type != WIRE_ANSWER)
		return -EBADMSG;
	/* A packet that brings nothing could be followed by others for ever. */
	if (answer.more > 1 || answer.truncated > 1 || answer.left_code > 1 || answer.poor > 1 ||
	    answer.lasts > STACK_IS_ONCE || answer.source > STACK_SOURCE_CFI ||
	    (answer.more && !answer.n_frames && !answer.n_words))
		return -EBADMSG;
	err = make_room(reading);
	for (uint32_t i = 0; !err && i < answer.n_words; i++)
		err = read_word(reading, &cursor);
	for (uint32_t i = 0; !err && i < answer.n_frames; i++)
		err = read_frame(reading, &cursor);
	if (!err && cursor.left)
		err = -EBADMSG;
	if (err)
		return err;
	reading->source = answer.source;
	reading->truncated = answer.truncated;
	reading->left_code = answer.left_code;
	reading->poor = answer.poor;
	reading->lasts = answer.lasts;
	return answer.more;
}

static int check_range(const struct wire_need *need)
{
	struct wire_range range;

	if (need->len != sizeof(range))
		return -EBADMSG;
	memcpy(&range, need->text, sizeof(range));
	return range.len && range.len <= WIRE_MEMORY_MAX ? 0 : -EBADMSG;
}

/* The structures are some kilobytes; what BPF reads of one in one piece is less. */
#define STRUCTURE_MAX 65536

int wire__check_python(const struct wire_python *python, size_t len)
{
	const struct mp_python_layout *layout = &python->file.layout;
	const uint32_t *offsets = (const uint32_t *)layout;

	if (len != sizeof(*python) || python->head.type != WIRE_PYTHON || python->file.asked_ns)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(*layout) / sizeof(*offsets); i++) {
		if (offsets[i] >= STRUCTURE_MAX)
			return -EBADMSG;
	}
	return layout->through <= 1 && layout->frame_size <= MP_PYTHON_FRAME_MAX &&
			       layout->code_size <= MP_PYTHON_CODE_MAX
		       ? 0
		       : -EBADMSG;
}

int wire__check_need(const struct wire_need *need, size_t len)
{
	if (len != sizeof(*need) || need->head.type != WIRE_NEED)
		return -EBADMSG;
	switch (need->what) {
	case WIRE_NEED_DEBUG:
		/* A name alone: it is put behind directories of ours. */
		if (need->len >= sizeof(need->text) || need->text[need->len] ||
		    memchr(need->text, '\0', need->len) || memchr(need->text, '/', need->len))
			return -EBADMSG;
		return !strcmp(need->text, ".") || !strcmp(need->text, "..") ? -EBADMSG : 0;
	case WIRE_NEED_PERF_MAP:
		return 0;
	case WIRE_NEED_MEMORY:
		return check_range(need);
	}
	return -EBADMSG;
}
