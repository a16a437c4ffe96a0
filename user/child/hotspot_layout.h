/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where HotSpot keeps what. libjvm.so exports tables that describe its own structures (for the
 * serviceability agent: src/hotspot/share/runtime/vmStructs.cpp): gHotSpotVMStructs has a row for
 * each field with the names of its type and itself, and its offset, or its address if it is static;
 * gHotSpotVMTypes has the sizes. They are read from the process, because the loader has relocated
 * them there.
 *
 * What no table tells is in one of ours, by version; a version that it does not have is not read.
 */
#ifndef MEMPROV_HOTSPOT_LAYOUT_H
#define MEMPROV_HOTSPOT_LAYOUT_H

#include "child/remote.h"

/* The symbols of libjvm.so by which the tables are found. */
enum hotspot_symbol {
	HOTSPOT_STRUCTS,
	HOTSPOT_STRUCT_STRIDE,
	HOTSPOT_STRUCT_TYPE,
	HOTSPOT_STRUCT_FIELD,
	HOTSPOT_STRUCT_OFFSET,
	HOTSPOT_STRUCT_ADDRESS,
	HOTSPOT_TYPES,
	HOTSPOT_TYPE_STRIDE,
	HOTSPOT_TYPE_NAME,
	HOTSPOT_TYPE_SIZE,
	HOTSPOT_SYMBOLS
};
extern const char *const hotspot_symbols[HOTSPOT_SYMBOLS];

/* What is looked for in the tables: offsets in bytes, addresses of static fields (with AT), sizes.
 */
enum hotspot_place {
	VERSION_AT,
	HEAPS_AT,
	CODE_LOW_AT,
	CODE_HIGH_AT,
	CALL_STUB_RETURN_AT,
	ARRAY_LEN,
	ARRAY_DATA,
	HEAP_MEMORY,
	HEAP_SEGMAP,
	HEAP_LOG2_SEGMENT,
	SPACE_LOW,
	BLOCK_USED,
	BLOCK_SIZE,
	BLOB_NAME,
	BLOB_SIZE,
	BLOB_FRAME_SIZE,
	BLOB_FRAME_COMPLETE,
	BLOB_CODE_BEGIN,  /* an address… */
	BLOB_CODE_OFFSET, /* … or, later, how far in */
	BLOB_MUTABLE_DATA,
	BLOB_RELOCATION_SIZE,
	NMETHOD_METHOD,
	NMETHOD_DEOPT, /* an address… */
	NMETHOD_DEOPT_MH,
	NMETHOD_DEOPT_OFFSET, /* … or, later, how far in */
	NMETHOD_DEOPT_MH_OFFSET,
	NMETHOD_ORIG_PC,
	NMETHOD_SCOPES_DATA, /* an address… */
	NMETHOD_SCOPES_PCS,
	NMETHOD_DEPENDENCIES, /* where the pcs end */
	NMETHOD_METADATA,
	NMETHOD_SCOPES_DATA_OFFSET, /* … or, later, in the immutable data, as the pcs are */
	NMETHOD_IMMUTABLE_DATA,
	PC_DESC_PC,
	PC_DESC_SCOPE,
	PC_DESC_SIZE,
	METHOD_CONST,
	CONST_POOL,
	CONST_FLAGS,
	CONST_CODE_SIZE,
	CONST_NAME,
	CONST_SIZE,
	POOL_HOLDER,
	POOL_LENGTH,
	POOL_SOURCE_FILE,
	POOL_SIZE,
	KLASS_NAME,
	SYMBOL_LENGTH,
	SYMBOL_BODY,
	HOTSPOT_PLACES
};

#define HOTSPOT_HEAPS_MAX 8 /* there are three */

/* A part of the code cache; where it begins, where its segment map does, and how large a segment is
 * never changes. */
struct hotspot_heap {
	uint64_t low;
	uint64_t map;
	uint32_t log2_segment;
};

struct hotspot_layout {
	uint64_t at[HOTSPOT_PLACES];
	uint64_t known; /* a bit for each */
	bool split;	/* an nmethod's data lies outside the code cache */
	struct hotspot_heap heaps[HOTSPOT_HEAPS_MAX];
	size_t n_heaps;
	uint8_t excluded; /* how many byte values compressed numbers do not use */
};

static inline bool hotspot_layout__has(const struct hotspot_layout *layout,
				       enum hotspot_place place)
{
	return layout->known >> place & 1;
}

/* By the symbols' addresses in the process. False when this is nothing that is known here. */
bool hotspot_layout__read(struct remote *remote, const uint64_t symbols[HOTSPOT_SYMBOLS],
			  struct hotspot_layout *ret);

#endif
