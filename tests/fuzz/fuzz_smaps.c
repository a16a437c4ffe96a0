// SPDX-License-Identifier: BSD-2-Clause
/* Any text as smaps and as maps; whole and in pieces must give the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/smaps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(enum smaps_format format, const char *text, size_t len, size_t piece,
		 struct vma_set *ret)
{
	struct smaps_parser *parser = smaps_parser__new(format);
	int err = 0;

	if (!parser)
		abort();
	for (size_t at = 0; at < len && !err; at += piece)
		err = smaps_parser__feed(parser, text + at, len - at < piece ? len - at : piece);
	if (!err)
		err = smaps_parser__finish(parser, ret);
	smaps_parser__free(parser);
	return err;
}

static void check(const struct vma_set *set)
{
	char name[32];

	for (size_t i = 0; i < set->n; i++) {
		const struct vma *vma = &set->vmas[i];

		if (vma->start >= vma->end || (i && vma->start < vma[-1].end))
			abort();
		if (vma_set__find(set, vma->start) != vma ||
		    vma_set__find(set, vma->end - 1) != vma)
			abort();
		if (strlen(vma_set__name(set, vma)) > SMAPS_NAME_MAX)
			abort();
		vma_set__anon_name(set, vma, name, sizeof(name));
	}
}

static void compare(enum smaps_format format, const char *text, size_t len, size_t piece)
{
	struct vma_set whole = {}, pieces = {};
	int err = parse(format, text, len, len, &whole);

	if (parse(format, text, len, piece, &pieces) != err)
		abort();
	if (whole.n != pieces.n || whole.torn != pieces.torn ||
	    whole.names_cut != pieces.names_cut || whole.names.len != pieces.names.len)
		abort();
	if (whole.n && (memcmp(whole.vmas, pieces.vmas, whole.n * sizeof(*whole.vmas)) ||
			memcmp(whole.names.data, pieces.names.data, whole.names.len)))
		abort();
	check(&whole);
	vma_set__free(&whole);
	vma_set__free(&pieces);
}

/* The first byte says how long the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	compare(SMAPS_FULL, (const char *)data + 1, size - 1, 1 + data[0]);
	compare(SMAPS_MAPS, (const char *)data + 1, size - 1, 1 + data[0]);
	return 0;
}
