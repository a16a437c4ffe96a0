/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the smaps reader share. */
#ifndef MEMPROV_SMAPS_TEXT_H
#define MEMPROV_SMAPS_TEXT_H

#include "proc/smaps.h"

/* Feeds the text in pieces of `piece` bytes. */
static inline int parse(enum smaps_format format, const char *text, size_t len, size_t piece,
			struct vma_set *ret)
{
	struct smaps_parser *parser = smaps_parser__new(format);
	int err = 0;

	assert_non_null(parser);
	for (size_t at = 0; at < len && !err; at += piece)
		err = smaps_parser__feed(parser, text + at, len - at < piece ? len - at : piece);
	if (!err)
		err = smaps_parser__finish(parser, ret);
	smaps_parser__free(parser);
	return err;
}

static inline void assert_same_set(const struct vma_set *a, const struct vma_set *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->torn, b->torn);
	assert_int_equal(a->names_cut, b->names_cut);
	assert_int_equal(a->names.len, b->names.len);
	if (a->n) {
		assert_memory_equal(a->vmas, b->vmas, a->n * sizeof(*a->vmas));
		assert_memory_equal(a->names.data, b->names.data, a->names.len);
	}
}

#endif
