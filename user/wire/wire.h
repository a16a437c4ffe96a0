/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the symbolizer and its child say to each other: one packet of a SOCK_SEQPACKET pair each,
 * in the machine's own byte order (both are the same program).
 *
 *     parent                                   child
 *     BLAME [fd]        ─────────────────▶     first of all: a page to note in which file is read
 *     FILE number [fd]  ─────────────────▶     a file that processes have mapped
 *     IMAGE process, rows ───────────────▶     where: executable mappings, of files by number
 *     UNWIND process, stack ─────────────▶
 *                       ◀────────────── NEED   a debug file, the JIT's map, memory
 *     OPENED [fd]       ─────────────────▶     or none
 *     MEMORY bytes      ─────────────────▶     to NEED_MEMORY
 *                       ◀────────────── ANSWER frames; as many packets as it takes
 *                       ◀────────────── STALE  instead of an answer: it has let the process go
 *     FIND_PYTHON file  ─────────────────▶
 *                       ◀────────────── PYTHON where it has an interpreter
 *     DROP_PROCESS, DROP_FILE ───────────▶
 *
 * A file is one file however many processes have mapped it: what the child has read of it serves
 * all of them.
 *
 * The child reads hostile files, so what it says is hostile too: wire__read_answer() believes
 * nothing.
 */
#ifndef MEMPROV_WIRE_H
#define MEMPROV_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/pieces.h"
#include "python.h"
#include "wire/frame.h"

#define WIRE_CHILD "__symbolize" /* the child's first argument */

/* The descriptor that the child begins with. */
#define WIRE_SOCKET 3

/* A child's user, in a user namespace that has them: IDs that are set aside for nothing (systemd's
 * table of UIDs and GIDs). */
#define WIRE_IDS_FIRST 0x70000000U
#define WIRE_IDS       0x0FFE0000U

#define WIRE_PACKET_MAX	  98304
#define WIRE_STRING_MAX	  4096
#define WIRE_BUILD_ID_MAX 64	/* bytes; SHA-512 */
#define WIRE_ROWS_MAX	  65536 /* executable mappings of a process that are told */
#define WIRE_FILES_MAX	  1024	/* in all */
#define WIRE_NO_ROW	  UINT32_MAX

/* What the child notes in the page that it shares: what it would die of, if it died now. Above
 * that, the number of the file that it reads. */
#define WIRE_BLAME_NOTHING 0
#define WIRE_BLAME_PROCESS UINT32_MAX /* that it was told of, or asked about */

enum wire_type {
	WIRE_BLAME = 1,
	WIRE_FILE,
	WIRE_DROP_FILE,
	WIRE_IMAGE,
	WIRE_DROP_PROCESS,
	WIRE_UNWIND,
	WIRE_OPENED, /* number: enum wire_opened [file] */
	WIRE_NEED,
	WIRE_ANSWER,
	WIRE_STALE,
	WIRE_MEMORY,	  /* number: of ranges that are answered */
	WIRE_FIND_PYTHON, /* number: of a file */
	WIRE_PYTHON,
};

enum wire_opened {
	WIRE_OPENED_NONE,  /* there is none */
	WIRE_OPENED_LATER, /* it could not be looked for: ask again another time */
	WIRE_OPENED_FILE,  /* the packet brings it, if the receiver had a descriptor free */
};

struct wire_head {
	uint32_t type;
	uint32_t number; /* of the file or the process */
};

struct wire_row {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* within the file */
	uint32_t file;	 /* 0: none that can be read */
	uint32_t named;	 /* 1: the process has mapped something that has a name */
	/* Not 0: an anonymous mapping where the file's code belongs, as that of one next to it
	 * says, which begins here, with `offset`. It is the file's if the bytes are. */
	uint64_t beside;
};

struct wire_image {
	struct wire_head head;
	uint32_t n;
	uint32_t first; /* 1: forget the rows of before */
	struct wire_row rows[];
};
#define WIRE_ROWS_PER_PACKET 1024

struct wire_unwind {
	struct wire_head head;
	uint32_t enrich; /* 1: looks again for what could not be looked for */
	uint32_t pad;
	uint64_t taken_ns;
	struct mp_stack stack;
};

enum wire_need_what {
	WIRE_NEED_DEBUG = 1, /* number: of the file; text: the name in .gnu_debuglink, or none */
	WIRE_NEED_PERF_MAP,  /* number: of the process */
	WIRE_NEED_MEMORY,    /* of the process that is asked about; text: struct wire_range */
};

struct wire_need {
	struct wire_head head;
	uint32_t what;
	uint32_t len;
	char text[256];
};

struct wire_range {
	uint64_t at;
	uint64_t len;
};
#define WIRE_MEMORY_MAX	  4096 /* bytes of one answer */
#define WIRE_MEMORY_ASKED 1024 /* times for one stack; what is asked beyond gets no bytes */

/* number: how many bytes could be read, from the beginning on, which follow. */
struct wire_memory {
	struct wire_head head;
	uint8_t bytes[WIRE_MEMORY_MAX];
};

struct wire_answer {
	struct wire_head head;
	uint32_t more; /* 1: another packet follows */
	uint32_t source;
	uint32_t truncated;
	uint32_t n_words;   /* then so many uint32_t: offsets in the copy (util/pieces.h), and
			     * COPIED_WORD_COUNTS */
	uint32_t n_frames;  /* then so many struct wire_frame, each with its strings behind it */
	uint32_t left_code; /* 1: it led to where no code is, as far as the child was told */
	uint32_t poor;	    /* 1: a debug file of its frames could not be looked for */
	uint32_t lasts;	    /* enum stack_lasts */
};

struct wire_frame {
	uint64_t ip;
	uint64_t offset;
	uint32_t line;
	uint32_t row; /* of the image as told; WIRE_NO_ROW */
	uint16_t function_len;
	uint16_t file_len;
	uint8_t build_id_len; /* bytes, sent as such */
	uint8_t inlined;
	uint8_t language; /* enum frame_language */
	uint8_t pad;
};

/* To FIND_PYTHON: where the file has an interpreter's runtime; all zeros: nowhere. */
struct wire_python {
	struct wire_head head;
	struct mp_python_file file;
};

/* An answer as it comes in. Zeroed to begin with, and with the first five set. */
struct wire_reading {
	struct arena *arena;
	const char *const *modules; /* of the rows that were told */
	size_t n_modules;
	struct pieces copy; /* the stack's bytes that were sent */
	size_t words_max;   /* in them */

	struct frame *frames; /* room for FRAMES_MAX, in the arena */
	size_t n_frames;
	struct stack_word *words; /* room for words_max */
	size_t n_words;
	uint32_t source;
	bool truncated;
	bool left_code;
	bool poor;
	enum stack_lasts lasts;
	bool nameless; /* a frame of an interpreted function has no name */
};

/* One packet. 1: another must follow; 0: it was the last; -EBADMSG for what the child should not
 * have said; -ENOMEM. Pure. */
int wire__read_answer(struct wire_reading *reading, const void *packet, size_t len);

/* Pure: 0 or -EBADMSG; offsets that are no structure's are refused. */
int wire__check_python(const struct wire_python *python, size_t len);

/* Pure: 0 or -EBADMSG; makes sure that the text of a link is a string, and a name without a
 * directory, and that ranges are as many and as long as they may be. */
int wire__check_need(const struct wire_need *need, size_t len);

#endif
