// SPDX-License-Identifier: BSD-2-Clause
/*
 * Native frames and frames of Python in one order: reply.h.
 *
 * An evaluation is a call of the C function that runs bytecode, and the functions of Python that
 * it runs, one calling the other without a call in C. BPF says for each evaluation an address that
 * lies in the stack frame of that C function, so what the evaluation runs is put in its place; the
 * frames of a C extension between two of them stay where they are:
 *
 *	sp      native                         Python, with `at`
 *	3f00    mmap64                         inner
 *	3f40    new_mmap_object                middle   3fa8
 *	3f80    _PyEval_EvalFrameDefault  ◀──  both
 *	4080    sort_in_c                      outer    40d0
 *	40c0    _PyEval_EvalFrameDefault  ◀──  this one
 *	4180    main
 *
 * A stack by frame pointers has no such addresses; there the function is known by its name. What
 * finds no place stands behind all native frames: where it belongs is not known then.
 */
#include <stdlib.h>
#include <string.h>

#include "child/python_text.h"
#include "child/reply_parts.h"
#include "util/cleanup.h"

static const char *const evaluators[] = {"_PyEval_EvalFrameDefault"};

struct merge {
	struct reply *reply;
	const struct found_stack *found;
	struct python_cursor cursor;
	const struct python_frame *next; /* of Python; NULL: there is none */
	struct reply_frame *frames;	 /* that are put together */
	size_t n;
	bool cut;
};

static bool is_evaluator(const char *function)
{
	for (size_t i = 0; function && i < ARRAY_SIZE(evaluators); i++) {
		size_t len = strlen(evaluators[i]);

		if (!strncmp(function, evaluators[i], len) &&
		    (!function[len] || function[len] == '.'))
			return true;
	}
	return false;
}

/* By which python -X perf calls a function, so that a perf map has a name for it. */
static bool is_trampoline(const struct reply_frame *frame)
{
	return !frame->module && frame->function && !strncmp(frame->function, "py::", 4);
}

static void put(struct merge *merge, const struct reply_frame *frame)
{
	if (merge->n < FRAMES_MAX)
		merge->frames[merge->n++] = *frame;
	else
		merge->cut = true;
}

/* The next frame of Python, in the place of a native one. */
static void put_python(struct merge *merge, const struct reply_frame *native)
{
	const struct python_frame *python = merge->next;
	struct arena *arena = merge->reply->arena;
	struct reply_frame frame = {
		.wire = {.ip = native->wire.ip,
			 .row = native->wire.row,
			 .offset = python->raw.instr < 0 ? 0 : python->raw.instr,
			 .language = FRAME_OF_PYTHON,
			 .line = python_lines__find(python->lines, python->lines_len,
						    python->raw.first_line, python->raw.instr)},
		.function = python_text__utf8(&python->name, arena),
		.file = python_text__utf8(&python->file, arena),
	};

	reply_frame__measure(&frame);
	put(merge, &frame);
	merge->next = python_cursor__next(&merge->cursor);
}

static bool ends_in(const struct merge *merge, uint64_t at, size_t found)
{
	const struct copied_stack *stack = &merge->found->stack;
	uint32_t place, end;

	return found + 1 < merge->found->n &&
	       copied_stack__offset(stack, merge->found->frames[found + 1].sp, &end) &&
	       copied_stack__offset(stack, at, &place) && place < end;
}

/* Where the evaluation of the next frame has its C function; 0: not known. */
static uint64_t place_of_next(const struct merge *merge)
{
	const struct mp_python *python = merge->cursor.python;

	for (size_t i = merge->cursor.next - 1; i < python->n; i++) {
		if (python->frames[i].at)
			return python->frames[i].at;
	}
	return 0;
}

/* The next evaluation's frames. */
static void put_evaluation(struct merge *merge, const struct reply_frame *native)
{
	bool ended = false;

	while (merge->next && !ended) {
		ended = merge->next->raw.at;
		put_python(merge, native);
	}
}

/* All native frames of one function, with what is inlined there. */
static void put_native(struct merge *merge, size_t from, size_t n)
{
	const struct reply_frame *frames = merge->reply->frames + from;
	const struct reply_frame *function = &frames[n - 1];
	bool by_place = merge->found->frames[function->found].sp, replaced = false;

	for (size_t i = 0; i < n - 1; i++)
		put(merge, &frames[i]);
	if (by_place) {
		while (merge->next && ends_in(merge, place_of_next(merge), function->found)) {
			put_evaluation(merge, function);
			replaced = true;
		}
	} else if (merge->next && is_evaluator(function->function)) {
		put_evaluation(merge, function);
		replaced = true;
	}
	if (!replaced && !is_trampoline(function))
		put(merge, function);
}

bool reply__add_python(struct reply *reply, const struct found_stack *found,
		       const struct mp_python *python)
{
	_cleanup_free_ struct reply_frame *frames = calloc(FRAMES_MAX, sizeof(*frames));
	struct merge merge = {.reply = reply, .found = found, .frames = frames};

	if (!frames || !reply->n)
		return false;
	python_cursor__begin(&merge.cursor, python);
	merge.next = python_cursor__next(&merge.cursor);
	for (size_t i = 0, end; i < reply->n; i = end) {
		for (end = i + 1; end < reply->n; end++) {
			if (reply->frames[end].found != reply->frames[i].found)
				break;
		}
		put_native(&merge, i, end - i);
	}
	while (merge.next) {
		struct reply_frame nowhere = reply->frames[reply->n - 1];

		nowhere.wire.row = WIRE_NO_ROW;
		put_python(&merge, &nowhere);
	}
	memcpy(reply->frames, frames, merge.n * sizeof(*frames));
	reply->n = merge.n;
	return !merge.cut && !python->cut;
}
