// SPDX-License-Identifier: BSD-2-Clause
#include "child/hotspot_code.h"

#include <string.h>

#include "child/hotspot_method.h"
#include "util/cleanup.h"

#define HOPS_MAX	4096	  /* a hop leads back up to 254 segments of 64 bytes or more */
#define FREE_SEGMENT	0xff	  /* CodeHeap::free_sentinel (memory/heap.hpp) */
#define BLOB_SIZE_MAX	(1 << 26) /* bytes */
#define FRAME_WORDS_MAX (1 << 16)
#define DATA_MAX	(1 << 26) /* bytes of debug information */
#define ENTRY_BCI	-1	  /* InvocationEntryBci, from which indexes are counted */

/* --- which piece --------------------------------------------------------------------------- */

/* Back to where the block begins; false when none does. */
static bool find_segment(struct remote *remote, uint64_t map, uint64_t *segment)
{
	uint8_t back;

	for (int i = 0; i < HOPS_MAX; i++) {
		if (!remote__u8(remote, map + *segment, &back) || back == FREE_SEGMENT)
			return false;
		if (!back)
			return true;
		if (back > *segment)
			return false;
		*segment -= back;
	}
	return false;
}

/* They lie one behind the other. */
static const struct hotspot_heap *find_heap(const struct hotspot_layout *layout, uint64_t pc)
{
	const struct hotspot_heap *found = NULL;

	for (size_t i = 0; i < layout->n_heaps; i++) {
		const struct hotspot_heap *heap = &layout->heaps[i];

		if (heap->low <= pc && (!found || heap->low > found->low))
			found = heap;
	}
	return found;
}

static bool find_start(struct remote *remote, const struct hotspot_layout *layout, uint64_t pc,
		       uint64_t *ret)
{
	const uint64_t *at = layout->at;
	const struct hotspot_heap *heap = find_heap(layout, pc);
	uint64_t low, high, segment, block;
	uint8_t used;

	if (!heap || !remote__word(remote, at[CODE_LOW_AT], &low) ||
	    !remote__word(remote, at[CODE_HIGH_AT], &high) || pc < low || pc >= high)
		return false;
	segment = (pc - heap->low) >> heap->log2_segment;
	if (!find_segment(remote, heap->map, &segment))
		return false;
	block = heap->low + (segment << heap->log2_segment);
	*ret = block + at[BLOCK_SIZE];
	return remote__u8(remote, block + at[BLOCK_USED], &used) && used && *ret <= pc;
}

/* The names that the pieces have (code/codeBlob.cpp, code/vtableStubs.cpp), in all versions here.
 * What has none of these is a stub of the runtime. */
static const struct {
	const char *name;
	enum hotspot_kind kind;
} kinds[] = {
	{"nmethod", HOTSPOT_COMPILED},
	{"native nmethod", HOTSPOT_COMPILED},
	{"Interpreter", HOTSPOT_INTERPRETER},
	{"StubRoutines", HOTSPOT_STUBS},
	{"vtable chunks", HOTSPOT_FRAMELESS},
	{"vtable stub", HOTSPOT_FRAMELESS},
	{"itable stub", HOTSPOT_FRAMELESS},
	{"I2C/C2I adapters", HOTSPOT_FRAMELESS},
	{"MethodHandles adapters", HOTSPOT_FRAMELESS},
};

static enum hotspot_kind kind_of(const char *name, uint32_t frame_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strncmp(name, kinds[i].name, strlen(kinds[i].name)))
			return kinds[i].kind;
	}
	return frame_words ? HOTSPOT_RUNTIME : HOTSPOT_STUBS;
}

static bool read_code(struct remote *remote, const struct hotspot_layout *layout,
		      struct hotspot_blob *blob)
{
	const uint64_t *at = layout->at;
	uint32_t offset;
	uint16_t complete;

	if (!layout->split)
		return remote__word(remote, blob->start + at[BLOB_CODE_BEGIN], &blob->code) &&
		       remote__u32(remote, blob->start + at[BLOB_FRAME_COMPLETE],
				   (uint32_t *)&blob->frame_complete);
	if (!remote__u32(remote, blob->start + at[BLOB_CODE_OFFSET], &offset) ||
	    !remote__u16(remote, blob->start + at[BLOB_FRAME_COMPLETE], &complete))
		return false;
	blob->code = blob->start + offset;
	blob->frame_complete = (int16_t)complete;
	return true;
}

bool hotspot_code__find(struct remote *remote, const struct hotspot_layout *layout, uint64_t pc,
			struct hotspot_blob *ret)
{
	const uint64_t *at = layout->at;
	struct hotspot_blob blob = {};
	uint32_t size, words;
	uint64_t name;

	if (!find_start(remote, layout, pc, &blob.start) ||
	    !remote__u32(remote, blob.start + at[BLOB_SIZE], &size) ||
	    !remote__u32(remote, blob.start + at[BLOB_FRAME_SIZE], &words) ||
	    !remote__word(remote, blob.start + at[BLOB_NAME], &name) ||
	    !read_code(remote, layout, &blob) ||
	    !remote__string(remote, name, blob.name, sizeof(blob.name)))
		return false;
	if (size > BLOB_SIZE_MAX || pc - blob.start >= size || blob.code - blob.start > size ||
	    pc < blob.code)
		return false;
	blob.size = size;
	/* Of what has no frame of a fixed size it is 0, or less. */
	blob.frame_words = words < FRAME_WORDS_MAX ? words : 0;
	blob.kind = kind_of(blob.name, blob.frame_words);
	*ret = blob;
	return true;
}

/* --- an nmethod's debug information --------------------------------------------------------- */

static bool read_handler(struct remote *remote, const struct hotspot_layout *layout,
			 const struct hotspot_blob *blob, enum hotspot_place whole,
			 enum hotspot_place part, uint64_t *ret)
{
	uint32_t offset;

	if (hotspot_layout__has(layout, whole))
		return remote__word(remote, blob->start + layout->at[whole], ret);
	if (!hotspot_layout__has(layout, part) ||
	    !remote__u32(remote, blob->start + layout->at[part], &offset))
		return false;
	*ret = blob->start + offset;
	return true;
}

bool hotspot_code__is_deoptimised(struct remote *remote, const struct hotspot_layout *layout,
				  const struct hotspot_blob *blob, uint64_t pc,
				  uint64_t *ret_offset)
{
	uint64_t handler;
	uint32_t offset;

	if ((!read_handler(remote, layout, blob, NMETHOD_DEOPT, NMETHOD_DEOPT_OFFSET, &handler) ||
	     handler != pc) &&
	    (!read_handler(remote, layout, blob, NMETHOD_DEOPT_MH, NMETHOD_DEOPT_MH_OFFSET,
			   &handler) ||
	     handler != pc))
		return false;
	if (!remote__u32(remote, blob->start + layout->at[NMETHOD_ORIG_PC], &offset))
		return false;
	*ret_offset = offset;
	return true;
}

struct debug {
	uint64_t pcs;
	uint64_t n_pcs;
	uint64_t scopes;
	uint64_t metadata; /* an array of addresses */
};

static bool read_debug_together(struct remote *remote, const struct hotspot_layout *layout,
				uint64_t start, struct debug *ret, uint64_t *ret_end)
{
	const uint64_t *at = layout->at;
	uint32_t pcs, end, metadata;

	if (!remote__word(remote, start + at[NMETHOD_SCOPES_DATA], &ret->scopes) ||
	    !remote__u32(remote, start + at[NMETHOD_SCOPES_PCS], &pcs) ||
	    !remote__u32(remote, start + at[NMETHOD_DEPENDENCIES], &end) ||
	    !remote__u32(remote, start + at[NMETHOD_METADATA], &metadata))
		return false;
	ret->pcs = start + pcs;
	ret->metadata = start + metadata;
	*ret_end = start + end;
	return true;
}

static bool read_debug_split(struct remote *remote, const struct hotspot_layout *layout,
			     uint64_t start, struct debug *ret, uint64_t *ret_end)
{
	const uint64_t *at = layout->at;
	uint64_t immutable, mutable;
	uint32_t pcs, scopes, relocation;

	if (!remote__word(remote, start + at[NMETHOD_IMMUTABLE_DATA], &immutable) ||
	    !remote__word(remote, start + at[BLOB_MUTABLE_DATA], &mutable) ||
	    !remote__u32(remote, start + at[NMETHOD_SCOPES_PCS], &pcs) ||
	    !remote__u32(remote, start + at[NMETHOD_SCOPES_DATA_OFFSET], &scopes) ||
	    !remote__u32(remote, start + at[BLOB_RELOCATION_SIZE], &relocation))
		return false;
	ret->pcs = immutable + pcs;
	ret->scopes = *ret_end = immutable + scopes;
	ret->metadata = mutable + relocation;
	return true;
}

static bool read_debug(struct remote *remote, const struct hotspot_layout *layout, uint64_t start,
		       struct debug *ret)
{
	uint64_t end;

	if (layout->split ? !read_debug_split(remote, layout, start, ret, &end)
			  : !read_debug_together(remote, layout, start, ret, &end))
		return false;
	if (end < ret->pcs || end - ret->pcs > DATA_MAX || !layout->at[PC_DESC_SIZE])
		return false;
	ret->n_pcs = (end - ret->pcs) / layout->at[PC_DESC_SIZE];
	return true;
}

/* Where the scope at an offset of the code is described: what the first PcDesc at it or behind it
 * says. They are ordered. */
static bool find_scope(struct remote *remote, const struct hotspot_layout *layout,
		       const struct debug *debug, int64_t offset, uint32_t *ret)
{
	uint64_t lo = 0, hi = debug->n_pcs, size = layout->at[PC_DESC_SIZE];
	uint32_t pc;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (!remote__u32(remote, debug->pcs + mid * size + layout->at[PC_DESC_PC], &pc))
			return false;
		if ((int32_t)pc < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < debug->n_pcs &&
	       remote__u32(remote, debug->pcs + lo * size + layout->at[PC_DESC_SCOPE], ret);
}

/* ScopeDesc (code/scopeDesc.cpp, decode_body): the caller's scope, the method, the bytecode. */
static bool read_scope(struct remote *remote, const struct hotspot_layout *layout,
		       const struct debug *debug, uint32_t *offset, struct hotspot_scope *ret)
{
	uint32_t sender, method, bci;
	uint64_t at = debug->scopes + *offset;

	if (*offset > DATA_MAX || !hotspot__number(remote, layout, &at, &sender) ||
	    !hotspot__number(remote, layout, &at, &method) ||
	    !hotspot__number(remote, layout, &at, &bci) || !method || method > DATA_MAX ||
	    !remote__word(remote, debug->metadata + (method - 1) * sizeof(uint64_t), &ret->method))
		return false;
	ret->bci = bci ? (int32_t)(bci - 1) : HOTSPOT_NO_BCI;
	_Static_assert(ENTRY_BCI == HOTSPOT_NO_BCI, "the entry is no bytecode");
	*offset = sender;
	return true;
}

size_t hotspot_code__scopes(struct remote *remote, const struct hotspot_layout *layout,
			    const struct hotspot_blob *blob, uint64_t pc,
			    struct hotspot_scope ret[SYMBOLS_MAX])
{
	struct debug debug;
	uint32_t offset;
	size_t n = 0;

	if (!read_debug(remote, layout, blob->start, &debug) ||
	    !find_scope(remote, layout, &debug, pc - blob->code, &offset))
		offset = 0;
	while (offset && n < SYMBOLS_MAX && read_scope(remote, layout, &debug, &offset, &ret[n]))
		n++;
	if (n)
		return n;
	/* It says nothing of this place, as that of a native method. */
	ret[0].bci = HOTSPOT_NO_BCI;
	return remote__word(remote, blob->start + layout->at[NMETHOD_METHOD], &ret[0].method);
}
