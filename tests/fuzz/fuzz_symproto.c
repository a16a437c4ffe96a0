// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the symbolizer's child may say: packets of any bytes, each behind its length (two bytes,
 * little endian). What is taken from them lies within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/needs.h"
#include "wire/wire.h"

#define COPY 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const char *text, size_t max)
{
	if (text && (!*text || strlen(text) > max))
		abort();
}

static void check(const struct wire_reading *reading)
{
	if (reading->n_frames > FRAMES_MAX || reading->n_words > COPY / 8 ||
	    reading->source > STACK_SOURCE_CFI)
		abort();
	for (size_t i = 0; i < reading->n_frames; i++) {
		const struct frame *frame = &reading->frames[i];

		check_string(frame->function, WIRE_STRING_MAX);
		check_string(frame->file, WIRE_STRING_MAX);
		check_string(frame->build_id, 2 * WIRE_BUILD_ID_MAX);
		if (frame->module && strcmp(frame->module, "/bin/a"))
			abort();
	}
	for (size_t i = 0; i < reading->n_words; i++) {
		uint64_t word;

		if (!pieces__word(&reading->copy, reading->words[i].offset, &word) ||
		    word != reading->words[i].value)
			abort();
	}
}

static void check_range(const struct wire_need *need)
{
	struct wire_range range;

	memcpy(&range, need->text, sizeof(range));
	if (need->len != sizeof(range) || !range.len || range.len > WIRE_MEMORY_MAX)
		abort();
}

static void check_need(const uint8_t *packet, size_t len)
{
	struct wire_need need;

	if (len < sizeof(need))
		return;
	memcpy(&need, packet, sizeof(need));
	if (wire__check_need(&need, len))
		return;
	if (need.what == WIRE_NEED_DEBUG &&
	    (strlen(need.text) != need.len || strchr(need.text, '/')))
		abort();
	if (need.what == WIRE_NEED_MEMORY)
		check_range(&need);
}

static void check_status(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	pid_t pid = 1;
	uid_t uid;

	memcpy(text, data, size);
	if (!needs__parse_status(text, &pid, &uid) && pid < 1)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const modules[] = {"/bin/a", NULL, "/bin/a"};
	uint8_t copy[2 * COPY];
	struct wire_reading reading = {
		.arena = arena__new(),
		.modules = modules,
		.n_modules = 3,
		.copy = {{0x1000, 0x8000}, {COPY, COPY}, copy},
		.words_max = sizeof(copy) / 8,
	};
	size_t packets = 0;
	int more = 1;

	for (size_t i = 0; i < sizeof(copy); i++)
		copy[i] = i;
	check_status(data, size);
	while (size >= 2 && more == 1) {
		size_t len = data[0] | data[1] << 8;
		uint8_t *packet;

		len = len < size - 2 ? len : size - 2;
		/* Of the very length, so that AddressSanitizer sees a read beyond it. */
		packet = malloc(len ? len : 1);
		memcpy(packet, data + 2, len);
		check_need(packet, len);
		more = wire__read_answer(&reading, packet, len);
		free(packet);
		if (more >= 0)
			check(&reading);
		/* Every packet brings something. */
		if (++packets > FRAMES_MAX + sizeof(copy) / 8 + 1)
			abort();
		data += len + 2;
		size -= len + 2;
	}
	arena__free(reading.arena);
	return 0;
}
