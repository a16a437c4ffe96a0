// SPDX-License-Identifier: BSD-2-Clause
#include "report/show_frame.h"

#include <inttypes.h>
#include <string.h>

#include "util/text.h"

#define FUNCTION_WIDTH 48

void frame__add_function(struct buf *out, const struct frame *frame, size_t width)
{
	_cleanup_buf_ struct buf name = {};

	if (frame->function)
		buf__puts(&name, frame->function);
	else
		buf__printf(&name, "0x%" PRIx64, frame->offset);
	if (frame->inlined)
		buf__puts(&name, " (inlined)");
	text__show_padded(out, name.data ?: "", width);
}

void frame__add_text(struct buf *out, const struct frame *frame)
{
	buf__puts(out, "    ");
	frame__add_function(out, frame, FUNCTION_WIDTH);
	/* Of an interpreted function the module is the interpreter. */
	if (frame->module && !frame->language) {
		buf__puts(out, " ");
		text__show(out, frame->module);
		buf__printf(out, "+0x%" PRIx64, frame->offset);
	}
	if (frame->file) {
		buf__puts(out, " ");
		/* Of Python, half of the files are called __init__.py. */
		text__show(out, frame->language ? frame->file : text__base_name(frame->file));
		if (frame->line)
			buf__printf(out, ":%" PRIu32, frame->line);
		/* All functions of a bundle may be in one line. */
		if (frame->language == FRAME_OF_JAVASCRIPT && frame->offset)
			buf__printf(out, ":%" PRIu64, frame->offset);
	}
	buf__puts(out, "\n");
}

static const char *const languages[FRAME_LANGUAGES] = {
	[FRAME_OF_JAVA] = "java",
	[FRAME_OF_PYTHON] = "python",
	[FRAME_OF_JAVASCRIPT] = "javascript",
};

enum frame_language frame__language(const char *name)
{
	for (size_t i = 0; name && i < FRAME_LANGUAGES; i++) {
		if (languages[i] && !strcmp(name, languages[i]))
			return i;
	}
	return FRAME_OF_MACHINE;
}

void frame__put(struct json *json, const struct frame *frame)
{
	json__object(json);
	json__put_string(json, "language", languages[frame->language]);
	json__put_string(json, "function", frame->function);
	json__put_string(json, "file", frame->file);
	json__key(json, "line");
	if (frame->line)
		json__u64(json, frame->line);
	else
		json__null(json);
	json__put_bool(json, "inlined", frame->inlined);
	json__put_string(json, "module", frame->module);
	json__put_string(json, "build_id", frame->build_id);
	json__put_hex(json, "offset", frame->offset);
	json__end_object(json);
}
