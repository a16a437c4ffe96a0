// SPDX-License-Identifier: BSD-2-Clause
#include "child/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child/reply_parts.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "wire/channel.h"

struct reply *reply__new(const struct code_row *rows)
{
	struct reply *reply = calloc(1, sizeof(*reply));

	if (!reply)
		return NULL;
	reply->rows = rows;
	reply->arena = arena__new();
	if (!reply->arena) {
		free(reply);
		return NULL;
	}
	return reply;
}

void reply__free(struct reply *reply)
{
	if (!reply)
		return;
	arena__free(reply->arena);
	free(reply);
}

struct arena *reply__arena(struct reply *reply)
{
	return reply->arena;
}

/* --- frames -------------------------------------------------------------------------------- */

static const struct {
	const char *function;
	enum caller caller;
} callers[] = {
	{"_start", CALLER_NONE},
	{"clone", CALLER_NONE},
	{"__clone", CALLER_NONE},
	{"clone3", CALLER_NONE},
	{"__clone3", CALLER_NONE},
	{"__clone3_internal", CALLER_NONE},
	{"__clone_internal", CALLER_NONE},
	{"_dl_start_user", CALLER_NONE},
	{"_rt0_amd64_linux", CALLER_NONE},
	{"_rt0_arm64_linux", CALLER_NONE},
	{"runtime.goexit", CALLER_NONE},
	{"runtime.rt0_go", CALLER_NONE},
	{"runtime.mstart", CALLER_NONE},
	{"runtime.callCgoMmap", CALLER_FRAMED},
	{"runtime.systemstack", CALLER_SWITCHED},
	{"runtime.asmcgocall", CALLER_C},
	{"runtime.morestack", CALLER_ENTERED},
	/* The goroutine has stopped there; what runs is the scheduler. */
	{"runtime.mcall", CALLER_ELSEWHERE},
};

/* Go's names may say which calling convention they follow. */
static enum caller caller_of(const char *function)
{
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		size_t len = strlen(callers[i].function);

		if (!strncmp(function, callers[i].function, len) &&
		    (!function[len] || !strcmp(function + len, ".abi0")))
			return callers[i].caller;
	}
	return CALLER_USUAL;
}

static size_t cut(const char *text)
{
	return text ? strnlen(text, WIRE_STRING_MAX) : 0;
}

void reply_frame__measure(struct reply_frame *frame)
{
	frame->wire.function_len = cut(frame->function);
	frame->wire.file_len = cut(frame->file);
}

static struct reply_frame *add(struct reply *reply, const struct found_frame *frame)
{
	struct reply_frame *added = &reply->frames[reply->n];
	struct wire_frame *wire = &added->wire;

	if (reply->n >= FRAMES_MAX)
		return NULL;
	*added = (struct reply_frame){
		.wire = {.ip = frame->ip, .offset = frame->pc, .row = WIRE_NO_ROW},
		.module = frame->module,
		.found = reply->n_found,
	};
	/* A file that is no program (a JIT's memfd), or cannot be read, is a module all the same.
	 */
	if (frame->row->wire.named || frame->module) {
		wire->row = frame->row - reply->rows;
		wire->offset = frame->pc - frame->row->wire.start + frame->row->wire.offset;
	}
	if (frame->module)
		wire->offset = frame->address;
	reply->n++;
	return added;
}

static void name(struct reply_frame *frame, const struct symbol *symbol)
{
	frame->function = symbol->function;
	frame->file = symbol->file;
	frame->wire.line = symbol->line;
	frame->wire.inlined = symbol->inlined;
	frame->wire.language = symbol->language;
	if (symbol->language)
		frame->wire.offset = symbol->offset;
	reply_frame__measure(frame);
}

enum caller reply__caller_of(struct reply *reply, struct symbols *symbols,
			     const struct found_frame *frame)
{
	const struct symbol *found = NULL;
	size_t n = 0;

	if (frame->module)
		symbols__lookup(symbols, elf_module__dwfl(frame->module), frame->address,
				reply->arena, &found, &n);
	return n && found[n - 1].function ? caller_of(found[n - 1].function) : CALLER_USUAL;
}

static bool add_names(struct reply *reply, struct symbols *symbols, const struct found_frame *frame,
		      const struct made_frame *made, enum caller *ret)
{
	const struct symbol *found = NULL;
	size_t n = 0;

	*ret = CALLER_USUAL;
	if (frame->module)
		symbols__lookup(symbols, elf_module__dwfl(frame->module), frame->address,
				reply->arena, &found, &n);
	if (!n && made) {
		found = made->symbols;
		n = made->n;
	}
	if (!n)
		return add(reply, frame);
	for (size_t i = 0; i < n; i++) {
		struct reply_frame *added = add(reply, frame);

		if (!added)
			return false;
		name(added, &found[i]);
	}
	if (found[n - 1].function)
		*ret = caller_of(found[n - 1].function);
	return true;
}

bool reply__add_frame(struct reply *reply, struct symbols *symbols, const struct found_frame *frame,
		      const struct made_frame *made, enum caller *ret)
{
	bool added = add_names(reply, symbols, frame, made, ret);

	reply->n_found++;
	return added;
}

/* --- sending ------------------------------------------------------------------------------- */

static int flush(struct buf *packet, int socket, bool more)
{
	struct wire_answer *answer = (void *)packet->data;
	int err = buf__error(packet);

	if (err)
		return err;
	answer->more = more;
	err = channel__send(socket, packet->data, packet->len, -1, CHANNEL_FOREVER);
	packet->len = sizeof(*answer);
	answer->n_words = 0;
	answer->n_frames = 0;
	return err;
}

static int put_frame(struct reply *reply, size_t i, struct buf *packet, int socket)
{
	struct reply_frame *frame = &reply->frames[i];
	struct wire_frame *wire = &frame->wire;
	const unsigned char *id = NULL;
	size_t size;
	int err = 0;

	if (frame->module)
		wire->build_id_len = elf_module__build_id(frame->module, &id);
	size = sizeof(*wire) + wire->function_len + wire->file_len + wire->build_id_len;
	if (packet->len + size > WIRE_PACKET_MAX)
		err = flush(packet, socket, true);
	if (err)
		return err;
	buf__add(packet, wire, sizeof(*wire));
	buf__add(packet, frame->function, wire->function_len);
	buf__add(packet, frame->file, wire->file_len);
	buf__add(packet, id, wire->build_id_len);
	err = buf__error(packet);
	if (!err)
		((struct wire_answer *)(void *)packet->data)->n_frames++;
	return err;
}

static bool is_poor(const struct reply *reply)
{
	for (size_t i = 0; i < reply->n; i++) {
		if (reply->frames[i].module && elf_module__is_poor(reply->frames[i].module))
			return true;
	}
	return false;
}

int reply__send(struct reply *reply, int socket, const struct found_stack *found)
{
	_cleanup_buf_ struct buf packet = {};
	struct wire_answer answer = {
		.head.type = WIRE_ANSWER,
		.source = found->by_fp ? STACK_SOURCE_FP : STACK_SOURCE_CFI,
		.truncated = found->truncated,
		.n_words = found->stack.n_words,
		.left_code = found->left_code,
		.lasts = found->lasts,
		.poor = is_poor(reply),
	};
	int err = 0;

	buf__add(&packet, &answer, sizeof(answer));
	buf__add(&packet, found->stack.words, found->stack.n_words * sizeof(uint32_t));
	for (size_t i = 0; !err && i < reply->n; i++)
		err = put_frame(reply, i, &packet, socket);
	return err ?: flush(&packet, socket, false);
}
