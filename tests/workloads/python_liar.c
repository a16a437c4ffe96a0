// SPDX-License-Identifier: BSD-2-Clause
/*
 * Says that it is CPython 3.11, and has structures that lead in circles, nowhere, or anywhere. Each
 * line that it is told maps 64 KiB so; it answers with the address.
 *
 *	circle       one frame that is its own caller
 *	deep         300 frames
 *	huge         a name and a table of lines that are longer than memory
 *	nowhere      frames at addresses where nothing is
 *	flip SEED    bytes of all of it are changed at random
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAMES 300

struct string {
	uint64_t head[2], length, hash, state, wstr;
	char text[16];
};

struct code {
	uint64_t head[3], words[6];
	uint32_t first_line, pad;
	uint64_t more[4]; /* 80 to 112 */
	struct string *file, *name, *qualname;
	struct string *lines;
	uint64_t rest[5]; /* 144 to 184 */
	uint8_t instrs[64];
};
_Static_assert(__builtin_offsetof(struct code, first_line) == 72, "co_firstlineno");
_Static_assert(__builtin_offsetof(struct code, file) == 112, "co_filename");
_Static_assert(__builtin_offsetof(struct code, instrs) == 184, "co_code_adaptive");

struct frame {
	uint64_t objects[4];
	struct code *code;
	uint64_t object;
	struct frame *previous;
	void *instr;
	uint32_t stacktop;
	uint8_t is_entry, owner, pad[2];
	uint64_t locals[2];
};

static struct fake {
	struct {
		uint64_t head, frame_at_1, previous;
	} cframe;
	struct string name, file, lines;
	struct code code;
	struct frame frames[FRAMES];
	uint64_t thread[64];
	uint64_t interpreter[16];
} fake;

uint64_t _PyRuntime[128];
const unsigned long Py_Version = 0x030b02f0;

static void put_text(struct string *string, const char *text)
{
	string->length = strlen(text);
	string->state = 1 << 2 | 1 << 5 | 1 << 6; /* one byte a character, compact, ASCII */
	strcpy(string->text, text);
}

static void make(void)
{
	memset(&fake, 0, sizeof(fake));
	put_text(&fake.name, "lie");
	put_text(&fake.file, "lie.py");
	fake.lines.length = 2;
	((uint8_t *)&fake.lines)[32] = 0x80 | 13 << 3 | 7;
	fake.code.first_line = 7;
	fake.code.file = &fake.file;
	fake.code.qualname = &fake.name;
	fake.code.lines = &fake.lines;
	for (int i = 0; i < FRAMES; i++) {
		fake.frames[i].code = &fake.code;
		fake.frames[i].instr = fake.code.instrs;
		fake.frames[i].previous = i + 1 < FRAMES ? &fake.frames[i + 1] : NULL;
	}
	fake.frames[0].previous = NULL;
	fake.cframe.frame_at_1 = (uintptr_t)&fake.frames[0];
	fake.thread[56 / 8] = (uintptr_t)&fake.cframe;
	fake.thread[160 / 8] = getpid();
	fake.interpreter[16 / 8] = (uintptr_t)fake.thread;
	_PyRuntime[40 / 8] = (uintptr_t)fake.interpreter;
	_PyRuntime[576 / 8] = (uintptr_t)fake.thread;
}

static void change(const char *how)
{
	make();
	if (!strcmp(how, "circle\n")) {
		fake.frames[0].previous = &fake.frames[0];
	} else if (!strcmp(how, "deep\n")) {
		fake.frames[0].previous = &fake.frames[1];
	} else if (!strcmp(how, "huge\n")) {
		fake.name.length = fake.lines.length = INT64_MAX;
	} else if (!strcmp(how, "nowhere\n")) {
		fake.frames[0].previous = (void *)0xdead0000;
	} else if (!strncmp(how, "flip ", 5)) {
		srandom(atoi(how + 5));
		for (int i = 0; i < 20; i++)
			((uint8_t *)&fake)[random() % sizeof(fake)] = random();
		/* The few that lead there, more often. */
		((uint8_t *)&fake.code)[random() % sizeof(fake.code)] = random();
		((uint8_t *)&fake.frames[0])[random() % sizeof(fake.frames[0])] = random();
		fake.thread[160 / 8] = getpid();
	}
}

int main(void)
{
	char line[64];

	make();
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		change(line);
		printf("%ld\n", (long)mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		fflush(stdout);
	}
	return 0;
}
