// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process with HotSpot's structures (tests/unit/hotspot_image.h) that lies: the version and what
 * a stack is at, then the words of the stack, then changes of its memory, each an offset of two
 * bytes and a byte. Whatever is made of it, it ends within its bounds, and what it says has a name.
 */
#include <stdlib.h>

#include "../unit/hotspot_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS 32

struct input {
	uint8_t version;
	uint8_t segment; /* of the code cache */
	uint8_t offset;	 /* in its code */
	uint8_t has_called;
	uint8_t fp;		  /* a word of the stack */
	uint8_t words[2 * WORDS]; /* numbers: below 256 near the stack, else in the image */
};

static struct image image;
static struct remote remote;

static uint64_t word_of(const uint8_t bytes[2])
{
	uint64_t number = bytes[0] | bytes[1] << 8;

	return number < 256 ? IMAGE_SP + 8 * number : IMAGE_AT + number;
}

static void check(const struct made_frame *frame, const struct copied_stack *stack)
{
	if (frame->n > SYMBOLS_MAX || stack->n_words > stack->words_max)
		abort();
	for (size_t i = 0; i < frame->n; i++) {
		const struct symbol *symbol = &frame->symbols[i];

		if (!symbol->function || !*symbol->function || symbol->language != FRAME_OF_JAVA ||
		    strlen(symbol->function) > WIRE_STRING_MAX)
			abort();
	}
	if (remote.fetches > REMOTE_FETCHES_MAX || remote.reads > REMOTE_READS_MAX)
		abort();
}

static void run(const struct input *input)
{
	struct {
		struct mp_stack head;
		struct mp_stack_copy copy;
		uint64_t words[WORDS];
	} __attribute__((packed, aligned(8)))
	stack = {.head = {.kind = MP_STACK_COPY, .bytes = sizeof(stack) - sizeof(stack.head)}};
	uint64_t ip = image__code(input->segment % IMAGE_SEGMENTS) + input->offset;
	struct found_frame frame = {.ip = ip, .pc = ip - input->has_called % 2, .made = true};
	struct hotspot hotspot = {.looked = true};
	struct hotspot_question question = {
		.enter = image__no_file, .remote = &remote, .arena = arena__new()};
	struct machine machine = {};
	struct copied_stack copied;
	struct made_frame made;
	uint32_t read[WORDS];

	hotspot.known = hotspot_layout__read(&remote, image.symbols, &hotspot.layout);
	stack.copy.regs[MACHINE_SP] = IMAGE_SP;
	for (size_t i = 0; i < WORDS; i++)
		stack.words[i] = word_of(input->words + 2 * i);
	copied_stack__begin(&copied, &stack.head, read);
	machine__set(&machine, MACHINE_SP, IMAGE_SP);
	machine__set(&machine, MACHINE_FP, IMAGE_SP + 8 * input->fp);
	if (hotspot__frame(&hotspot, &question, &frame, &machine, &copied, &made))
		check(&made, &copied);
	if (hotspot__frame(&hotspot, &question, &frame, NULL, NULL, &made))
		check(&made, &copied);
	arena__free(question.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input;

	if (size < sizeof(input))
		return 0;
	memcpy(&input, data, sizeof(input));
	image__make(&image);
	image__set(&image, IMAGE_AT + 64, input.version, 4);
	for (size_t at = sizeof(input); at + 3 <= size; at += 3)
		image.bytes[(data[at] | data[at + 1] << 8) % IMAGE_LEN] = data[at + 2];
	remote.fetch = image__fetch;
	remote.ctx = &image;
	remote__begin(&remote, 1, clock__boot_ns());
	run(&input);
	return 0;
}
