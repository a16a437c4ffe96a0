// SPDX-License-Identifier: BSD-2-Clause
/*
 * Says that it is CPython, of the version 3.MINOR, and has structures as that has them, which lead
 *in circles, nowhere, or anywhere. Each line that it is told maps 64 KiB so; it answers with the
 * address.
 *
 *	plain        one frame: "lie", lie.py, line 7
 *	circle       one frame that is its own caller
 *	deep         300 frames
 *	huge         a name and a table of lines that are longer than memory
 *	nowhere      a frame at an address where nothing is
 *	flip SEED    bytes of all of it are changed at random
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MINOR
#define MINOR 11
#endif

#define FRAMES 300

/* Where each has what (the sources are those of user/child/python_layout.c). From 3.13 on it says
 * so itself, and may say anything. */
#if MINOR == 11
enum { RUNTIME_CURRENT = 576, RUNTIME_HEAD = 40, THREADS = 16, THREAD_ID = 160, THREAD_FRAME = 56 };
enum { CFRAME = 8, CODE = 32, PREVIOUS = 48, INSTR = 56, OWNER = 0, INSTRS = 184, FIRST_LINE = 72 };
enum { TEXT = 48 };
#elif MINOR == 12
enum { RUNTIME_CURRENT = 0, RUNTIME_HEAD = 40, THREADS = 72, THREAD_ID = 144, THREAD_FRAME = 56 };
enum { CFRAME = 0, CODE = 0, PREVIOUS = 8, INSTR = 56, OWNER = 70, INSTRS = 192, FIRST_LINE = 68 };
enum { TEXT = 40 };
#else
enum { RUNTIME_CURRENT = 0, RUNTIME_HEAD = 840, THREADS = 88, THREAD_ID = 152, THREAD_FRAME = 72 };
enum { CFRAME = -1, CODE = 0, PREVIOUS = 8, INSTR = 56, OWNER = 74, INSTRS = 200, FIRST_LINE = 68 };
enum { TEXT = 40 };
#endif
enum {
	THREAD_NEXT = 8,
	FILE_NAME = 112,
	NAME = 128,
	LINES = 136,
	LENGTH = 16,
	STATE = 32,
	BYTES = 32
};

#define VERSION (3 << 24 | MINOR << 16 | 0x02f0)

const unsigned long Py_Version = VERSION;

uint64_t _PyRuntime[256] = {
#if MINOR == 13
	0x7970677562656478,
	VERSION,
	0,
	[5] = RUNTIME_HEAD,
	[8] = 0,
	THREADS,
	[21] = THREAD_NEXT,
	[23] = THREAD_FRAME,
	[25] = THREAD_ID,
	[29] = PREVIOUS,
	CODE,
	INSTR,
	80,
	OWNER,
	[35] = FILE_NAME,
	120,
	NAME,
	LINES,
	FIRST_LINE,
	[43] = INSTRS,
	[65] = LENGTH,
	BYTES,
	[67] = 64,
	STATE,
	LENGTH,
	TEXT,
#elif MINOR == 14
	0x7970677562656478,
	VERSION,
	0,
	[5] = RUNTIME_HEAD,
	[8] = 0,
	THREADS,
	[24] = THREAD_NEXT,
	[26] = THREAD_FRAME,
	[28] = THREAD_ID,
	[32] = PREVIOUS,
	CODE,
	INSTR,
	80,
	OWNER,
	[40] = FILE_NAME,
	120,
	NAME,
	LINES,
	FIRST_LINE,
	[48] = INSTRS,
	[75] = LENGTH,
	BYTES,
	[77] = 64,
	STATE,
	LENGTH,
	TEXT,
#else
	1,
#endif
};

static struct fake {
	uint8_t name[80], file[80], lines[80];
	uint8_t code[320];
	uint8_t frames[FRAMES][96];
	uint8_t shim[96];
	uint8_t cframe[32];
	uint8_t thread[256];
	uint8_t interpreter[256];
} fake;

static void put(void *object, int offset, uint64_t value)
{
	memcpy((uint8_t *)object + offset, &value, sizeof(value));
}

static void point(void *object, int offset, const void *to)
{
	put(object, offset, (uintptr_t)to);
}

static void put_text(uint8_t *string, const char *text)
{
	put(string, LENGTH, strlen(text));
	put(string, STATE, 1 << 2 | 1 << 5 | 1 << 6); /* one byte a character, compact, ASCII */
	strcpy((char *)string + TEXT, text);
}

static void make(void)
{
	memset(&fake, 0, sizeof(fake));
	put_text(fake.name, "lie");
	put_text(fake.file, "lie.py");
	put(fake.lines, LENGTH, 2);
	fake.lines[BYTES] = 0x80 | 13 << 3 | 7;
	memcpy(fake.code + FIRST_LINE, &(int){7}, sizeof(int));
	point(fake.code, FILE_NAME, fake.file);
	point(fake.code, NAME, fake.name);
	point(fake.code, LINES, fake.lines);
	for (int i = 0; i < FRAMES; i++) {
		point(fake.frames[i], CODE, fake.code);
		point(fake.frames[i], INSTR, fake.code + INSTRS);
		point(fake.frames[i], PREVIOUS, i + 1 < FRAMES ? fake.frames[i + 1] : NULL);
	}
	point(fake.frames[0], PREVIOUS, MINOR > 11 ? fake.shim : NULL);
	fake.shim[OWNER] = 3;
	if (CFRAME >= 0)
		point(fake.cframe, CFRAME, fake.frames[0]);
	point(fake.thread, THREAD_FRAME, CFRAME >= 0 ? fake.cframe : fake.frames[0]);
	put(fake.thread, THREAD_ID, getpid());
	point(fake.interpreter, THREADS, fake.thread);
	point(_PyRuntime, RUNTIME_HEAD, fake.interpreter);
	if (RUNTIME_CURRENT)
		point(_PyRuntime, RUNTIME_CURRENT, fake.thread);
}

static void change(const char *how)
{
	make();
	if (!strcmp(how, "circle\n")) {
		point(fake.frames[0], PREVIOUS, fake.frames[0]);
	} else if (!strcmp(how, "deep\n")) {
		point(fake.frames[0], PREVIOUS, fake.frames[1]);
	} else if (!strcmp(how, "huge\n")) {
		put(fake.name, LENGTH, INT64_MAX);
		put(fake.lines, LENGTH, INT64_MAX);
	} else if (!strcmp(how, "nowhere\n")) {
		put(fake.frames[0], PREVIOUS, 0xdead0000);
	} else if (!strncmp(how, "flip ", 5)) {
		srandom(atoi(how + 5));
		for (int i = 0; i < 20; i++)
			((uint8_t *)&fake)[random() % sizeof(fake)] = random();
		/* The few that lead there, more often. */
		fake.code[random() % sizeof(fake.code)] = random();
		fake.frames[0][random() % sizeof(fake.frames[0])] = random();
		put(fake.thread, THREAD_ID, getpid());
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
		printf("%ld\n",
		       (long)mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		fflush(stdout);
	}
	return 0;
}
