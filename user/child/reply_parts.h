/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files share that implement reply.h. */
#ifndef MEMPROV_REPLY_PARTS_H
#define MEMPROV_REPLY_PARTS_H

#include "child/reply.h"
#include "util/arena.h"

struct reply_frame {
	struct wire_frame wire;
	const char *function;
	const char *file;
	const struct elf_module *module;
	size_t found; /* which of the stack's frames it is of: several are, where others are inlined
		       */
};

struct reply {
	const struct code_row *rows;
	struct arena *arena;
	struct reply_frame frames[FRAMES_MAX];
	size_t n;
	size_t n_found;
};

/* The lengths of the texts, as they are sent. */
void reply_frame__measure(struct reply_frame *frame);

#endif
