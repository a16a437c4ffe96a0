// SPDX-License-Identifier: BSD-2-Clause
#include "child/hotspot_layout.h"

#include <string.h>

#include "util/cleanup.h"

#define ROWS_MAX	 4096
#define STRIDE_MAX	 256
#define WORD_MAX	 64 /* of what is looked for */
#define OFFSET_MAX	 4096
#define LOG2_SEGMENT_MAX 16

const char *const hotspot_symbols[HOTSPOT_SYMBOLS] = {
	[HOTSPOT_STRUCTS] = "gHotSpotVMStructs",
	[HOTSPOT_STRUCT_STRIDE] = "gHotSpotVMStructEntryArrayStride",
	[HOTSPOT_STRUCT_TYPE] = "gHotSpotVMStructEntryTypeNameOffset",
	[HOTSPOT_STRUCT_FIELD] = "gHotSpotVMStructEntryFieldNameOffset",
	[HOTSPOT_STRUCT_OFFSET] = "gHotSpotVMStructEntryOffsetOffset",
	[HOTSPOT_STRUCT_ADDRESS] = "gHotSpotVMStructEntryAddressOffset",
	[HOTSPOT_TYPES] = "gHotSpotVMTypes",
	[HOTSPOT_TYPE_STRIDE] = "gHotSpotVMTypeEntryArrayStride",
	[HOTSPOT_TYPE_NAME] = "gHotSpotVMTypeEntryTypeNameOffset",
	[HOTSPOT_TYPE_SIZE] = "gHotSpotVMTypeEntrySizeOffset",
};

/* A row without a field is the type's size. Where two rows have one place, versions differ. */
static const struct wanted {
	const char *type;
	const char *field;
	enum hotspot_place place;
	bool is_static;
} wanted[] = {
	{"Abstract_VM_Version", "_vm_major_version", VERSION_AT, true},
	{"CodeCache", "_heaps", HEAPS_AT, true},
	{"CodeCache", "_low_bound", CODE_LOW_AT, true},
	{"CodeCache", "_high_bound", CODE_HIGH_AT, true},
	{"StubRoutines", "_call_stub_return_address", CALL_STUB_RETURN_AT, true},
	{"GrowableArrayBase", "_len", ARRAY_LEN, false},
	{"GrowableArray<int>", "_data", ARRAY_DATA, false},
	{"CodeHeap", "_memory", HEAP_MEMORY, false},
	{"CodeHeap", "_segmap", HEAP_SEGMAP, false},
	{"CodeHeap", "_log2_segment_size", HEAP_LOG2_SEGMENT, false},
	{"VirtualSpace", "_low", SPACE_LOW, false},
	{"HeapBlock::Header", "_used", BLOCK_USED, false},
	{"HeapBlock", NULL, BLOCK_SIZE, false},
	{"CodeBlob", "_name", BLOB_NAME, false},
	{"CodeBlob", "_size", BLOB_SIZE, false},
	{"CodeBlob", "_frame_size", BLOB_FRAME_SIZE, false},
	{"CodeBlob", "_frame_complete_offset", BLOB_FRAME_COMPLETE, false},
	{"CodeBlob", "_code_begin", BLOB_CODE_BEGIN, false},
	{"CodeBlob", "_code_offset", BLOB_CODE_OFFSET, false},
	{"CodeBlob", "_mutable_data", BLOB_MUTABLE_DATA, false},
	{"CodeBlob", "_relocation_size", BLOB_RELOCATION_SIZE, false},
	{"CompiledMethod", "_method", NMETHOD_METHOD, false},
	{"nmethod", "_method", NMETHOD_METHOD, false},
	{"CompiledMethod", "_deopt_handler_begin", NMETHOD_DEOPT, false},
	{"CompiledMethod", "_deopt_mh_handler_begin", NMETHOD_DEOPT_MH, false},
	{"nmethod", "_deopt_handler_offset", NMETHOD_DEOPT_OFFSET, false},
	{"nmethod", "_deopt_mh_handler_offset", NMETHOD_DEOPT_MH_OFFSET, false},
	{"nmethod", "_orig_pc_offset", NMETHOD_ORIG_PC, false},
	{"CompiledMethod", "_scopes_data_begin", NMETHOD_SCOPES_DATA, false},
	{"nmethod", "_scopes_pcs_offset", NMETHOD_SCOPES_PCS, false},
	{"nmethod", "_dependencies_offset", NMETHOD_DEPENDENCIES, false},
	{"nmethod", "_metadata_offset", NMETHOD_METADATA, false},
	{"nmethod", "_scopes_data_offset", NMETHOD_SCOPES_DATA_OFFSET, false},
	{"nmethod", "_immutable_data", NMETHOD_IMMUTABLE_DATA, false},
	{"PcDesc", "_pc_offset", PC_DESC_PC, false},
	{"PcDesc", "_scope_decode_offset", PC_DESC_SCOPE, false},
	{"PcDesc", NULL, PC_DESC_SIZE, false},
	{"Method", "_constMethod", METHOD_CONST, false},
	{"ConstMethod", "_constants", CONST_POOL, false},
	{"ConstMethod", "_flags", CONST_FLAGS, false},
	{"ConstMethod", "_flags._flags", CONST_FLAGS, false},
	{"ConstMethod", "_code_size", CONST_CODE_SIZE, false},
	{"ConstMethod", "_name_index", CONST_NAME, false},
	{"ConstMethod", NULL, CONST_SIZE, false},
	{"ConstantPool", "_pool_holder", POOL_HOLDER, false},
	{"ConstantPool", "_length", POOL_LENGTH, false},
	{"ConstantPool", "_source_file_name_index", POOL_SOURCE_FILE, false},
	{"ConstantPool", NULL, POOL_SIZE, false},
	{"Klass", "_name", KLASS_NAME, false},
	{"Symbol", "_length", SYMBOL_LENGTH, false},
	{"Symbol", "_body", SYMBOL_BODY, false},
};

_Static_assert(HOTSPOT_PLACES < 64, "a bit for each");
#define PLACE(place) (1ULL << (place))

/* What one of the two kinds of nmethod has and the other has not. */
#define TOGETHER                                                                                   \
	(PLACE(BLOB_CODE_BEGIN) | PLACE(NMETHOD_DEOPT) | PLACE(NMETHOD_SCOPES_DATA) |              \
	 PLACE(NMETHOD_DEPENDENCIES) | PLACE(NMETHOD_METADATA))
#define SPLIT                                                                                      \
	(PLACE(BLOB_CODE_OFFSET) | PLACE(BLOB_MUTABLE_DATA) | PLACE(BLOB_RELOCATION_SIZE) |        \
	 PLACE(NMETHOD_DEOPT_OFFSET) | PLACE(NMETHOD_SCOPES_DATA_OFFSET) |                         \
	 PLACE(NMETHOD_IMMUTABLE_DATA))
#define OPTIONAL (PLACE(NMETHOD_DEOPT_MH) | PLACE(NMETHOD_DEOPT_MH_OFFSET))
#define ALL	 (PLACE(HOTSPOT_PLACES) - 1)

/* The encoding of numbers in debug information and line tables is CompressedStream's up to 19
 * (code/compressedStream.cpp), and UNSIGNED5's since 20, without the byte 0
 * (utilities/unsigned5.hpp, X). */
static const struct {
	uint32_t version;
	uint64_t required;
	uint8_t excluded;
} versions[] = {
	{17, TOGETHER, 0},
	{21, TOGETHER, 1},
	{25, SPLIT, 1},
};

/* --- the tables ---------------------------------------------------------------------------- */

struct table {
	uint64_t rows;
	uint64_t stride;
	uint64_t columns[4];
};

static bool read_table(struct remote *remote, const uint64_t *symbols, enum hotspot_symbol first,
		       size_t n_columns, struct table *ret)
{
	if (!remote__word(remote, symbols[first], &ret->rows) ||
	    !remote__word(remote, symbols[first + 1], &ret->stride) || ret->stride > STRIDE_MAX)
		return false;
	for (size_t i = 0; i < n_columns; i++) {
		if (!remote__word(remote, symbols[first + 2 + i], &ret->columns[i]) ||
		    ret->columns[i] > ret->stride - sizeof(uint64_t))
			return false;
	}
	return ret->stride >= sizeof(uint64_t);
}

/* A longer name is none of those that are looked for. */
static bool read_name(struct remote *remote, uint64_t at, char name[WORD_MAX])
{
	return at && remote__string(remote, at, name, WORD_MAX);
}

static void take(struct hotspot_layout *layout, const struct wanted *want, uint64_t value)
{
	if (!want->is_static && value > OFFSET_MAX)
		return;
	layout->at[want->place] = value;
	layout->known |= PLACE(want->place);
}

static void take_field(struct remote *remote, const struct table *table, uint64_t row,
		       const char *type, struct hotspot_layout *layout)
{
	char field[WORD_MAX];
	uint64_t name, value;

	if (!remote__word(remote, row + table->columns[1], &name) ||
	    !read_name(remote, name, field))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct wanted *want = &wanted[i];

		if (!want->field || strcmp(want->type, type) || strcmp(want->field, field))
			continue;
		if (remote__word(remote, row + table->columns[want->is_static ? 3 : 2], &value))
			take(layout, want, value);
	}
}

static void take_size(struct remote *remote, const struct table *table, uint64_t row,
		      const char *type, struct hotspot_layout *layout)
{
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!wanted[i].field && !strcmp(wanted[i].type, type) &&
		    remote__word(remote, row + table->columns[1], &value))
			take(layout, &wanted[i], value);
	}
}

static bool is_wanted(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!strcmp(wanted[i].type, type))
			return true;
	}
	return false;
}

/* Each row; the last one has no type. */
static void walk(struct remote *remote, const struct table *table,
		 void (*take_row)(struct remote *remote, const struct table *table, uint64_t row,
				  const char *type, struct hotspot_layout *layout),
		 struct hotspot_layout *layout)
{
	char type[WORD_MAX];
	uint64_t name;

	for (size_t i = 0; i < ROWS_MAX; i++) {
		uint64_t row = table->rows + i * table->stride;

		if (!remote__word(remote, row + table->columns[0], &name) || !name)
			return;
		if (read_name(remote, name, type) && is_wanted(type))
			take_row(remote, table, row, type, layout);
	}
}

static bool is_known(struct remote *remote, struct hotspot_layout *layout)
{
	uint32_t version;

	if (!hotspot_layout__has(layout, VERSION_AT) ||
	    !remote__u32(remote, layout->at[VERSION_AT], &version))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		uint64_t required = (ALL & ~(TOGETHER | SPLIT | OPTIONAL)) | versions[i].required;

		if (versions[i].version != version)
			continue;
		layout->split = versions[i].required == SPLIT;
		layout->excluded = versions[i].excluded;
		return (layout->known & required) == required;
	}
	return false;
}

static bool read_heap(struct remote *remote, const struct hotspot_layout *layout, uint64_t heap,
		      struct hotspot_heap *ret)
{
	const uint64_t *at = layout->at;

	return remote__word(remote, heap + at[HEAP_MEMORY] + at[SPACE_LOW], &ret->low) &&
	       remote__word(remote, heap + at[HEAP_SEGMAP] + at[SPACE_LOW], &ret->map) &&
	       remote__u32(remote, heap + at[HEAP_LOG2_SEGMENT], &ret->log2_segment) && ret->low &&
	       ret->map && ret->log2_segment <= LOG2_SEGMENT_MAX;
}

static bool read_heaps(struct remote *remote, struct hotspot_layout *layout)
{
	const uint64_t *at = layout->at;
	uint64_t heaps, data, heap;
	uint32_t n;

	if (!remote__word(remote, at[HEAPS_AT], &heaps) ||
	    !remote__u32(remote, heaps + at[ARRAY_LEN], &n) ||
	    !remote__word(remote, heaps + at[ARRAY_DATA], &data) || !n || n > HOTSPOT_HEAPS_MAX)
		return false;
	for (; layout->n_heaps < n; layout->n_heaps++) {
		if (!remote__word(remote, data + layout->n_heaps * sizeof(heap), &heap) ||
		    !read_heap(remote, layout, heap, &layout->heaps[layout->n_heaps]))
			return false;
	}
	return true;
}

bool hotspot_layout__read(struct remote *remote, const uint64_t symbols[HOTSPOT_SYMBOLS],
			  struct hotspot_layout *ret)
{
	struct table structs = {}, types = {};

	*ret = (struct hotspot_layout){};
	if (!read_table(remote, symbols, HOTSPOT_STRUCTS, 4, &structs) ||
	    !read_table(remote, symbols, HOTSPOT_TYPES, 2, &types))
		return false;
	walk(remote, &structs, take_field, ret);
	walk(remote, &types, take_size, ret);
	return is_known(remote, ret) && read_heaps(remote, ret);
}
