/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of a process that has HotSpot's structures, made: the tables, a code cache with a
 * piece of each kind, and two methods of com.acme.Cache, put() and grow(), which is inlined into
 * put(). Offsets are none that any version has, since the tables tell them.
 */
#ifndef MEMPROV_HOTSPOT_IMAGE_H
#define MEMPROV_HOTSPOT_IMAGE_H

#include <stdint.h>
#include <string.h>

#include "child/hotspot.h"
#include "child/hotspot_method.h"
#include "util/clock.h"

#define IMAGE_AT   0x7f0000000000ULL
#define IMAGE_LEN  0x6000
#define IMAGE_CODE 0x4000 /* where the code cache begins */
#define IMAGE_SP   0x7ffd00001000ULL

enum { /* of the code cache, in segments of 64 bytes */
       IMAGE_INTERPRETER = 0,
       IMAGE_COMPILED = 8,
       IMAGE_STUBS = 24,
       IMAGE_RUNTIME = 32,
       IMAGE_VTABLE = 40,
       IMAGE_FREE = 48,
       IMAGE_SEGMENTS = 64,
};

#define IMAGE_BLOCK   16   /* of a block, before the piece */
#define IMAGE_HEADER  96   /* of a piece, before its code */
#define IMAGE_WORDS   8	   /* of a frame of compiled code */
#define IMAGE_MADE    8	   /* bytes of code until that is made */
#define IMAGE_CALL    0x20 /* where in its code it has called */
#define IMAGE_HANDLER 0x60 /* for deoptimisation */
#define IMAGE_ORIG    16   /* from the stack pointer: where it would have returned to */

struct image {
	uint8_t bytes[IMAGE_LEN];
	size_t used;
	uint64_t symbols[HOTSPOT_SYMBOLS];
	uint64_t put, grow; /* the methods */
	uint64_t bytecodes; /* of put() */
	uint64_t call_stub;
};

static inline uint64_t image__code(unsigned segment)
{
	return IMAGE_AT + IMAGE_CODE + segment * 64 + IMAGE_BLOCK + IMAGE_HEADER;
}

static inline void image__set(struct image *image, uint64_t at, uint64_t value, size_t size)
{
	memcpy(image->bytes + (at - IMAGE_AT), &value, size);
}

static inline uint64_t image__room(struct image *image, size_t size)
{
	uint64_t at = IMAGE_AT + image->used;

	image->used += (size + 7) / 8 * 8;
	return at;
}

static inline uint64_t image__text(struct image *image, const char *text)
{
	uint64_t at = image__room(image, strlen(text) + 1);

	memcpy(image->bytes + (at - IMAGE_AT), text, strlen(text) + 1);
	return at;
}

static inline uint64_t image__word(struct image *image, uint64_t value)
{
	uint64_t at = image__room(image, 8);

	image__set(image, at, value, 8);
	return at;
}

/* --- the tables ---------------------------------------------------------------------------- */

#define STATIC_FIELD UINT64_MAX

static const struct image_field {
	const char *type, *field; /* NULL: its size */
	uint64_t offset;
} image_fields[] = {
	{"Abstract_VM_Version", "_vm_major_version", STATIC_FIELD},
	{"CodeCache", "_heaps", STATIC_FIELD},
	{"CodeCache", "_low_bound", STATIC_FIELD},
	{"CodeCache", "_high_bound", STATIC_FIELD},
	{"StubRoutines", "_call_stub_return_address", STATIC_FIELD},
	{"GrowableArrayBase", "_len", 0},
	{"GrowableArray<int>", "_data", 8},
	{"CodeHeap", "_memory", 8},
	{"CodeHeap", "_segmap", 24},
	{"CodeHeap", "_log2_segment_size", 40},
	{"VirtualSpace", "_low", 0},
	{"VirtualSpace", "_high", 8},
	{"HeapBlock::Header", "_used", 8},
	{"CodeBlob", "_name", 0},
	{"CodeBlob", "_size", 8},
	{"CodeBlob", "_frame_size", 12},
	{"CodeBlob", "_frame_complete_offset", 16},
	{"CodeBlob", "_code_begin", 24},
	{"CompiledMethod", "_method", 32},
	{"CompiledMethod", "_deopt_handler_begin", 40},
	{"CompiledMethod", "_scopes_data_begin", 48},
	{"nmethod", "_orig_pc_offset", 56},
	{"nmethod", "_scopes_pcs_offset", 60},
	{"nmethod", "_dependencies_offset", 64},
	{"nmethod", "_metadata_offset", 68},
	{"PcDesc", "_pc_offset", 0},
	{"PcDesc", "_scope_decode_offset", 4},
	{"Method", "_constMethod", 8},
	{"ConstMethod", "_constants", 8},
	{"ConstMethod", "_flags", 16},
	{"ConstMethod", "_code_size", 18},
	{"ConstMethod", "_name_index", 20},
	{"ConstantPool", "_pool_holder", 8},
	{"ConstantPool", "_length", 16},
	{"ConstantPool", "_source_file_name_index", 20},
	{"Klass", "_name", 8},
	{"Symbol", "_length", 0},
	{"Symbol", "_body", 2},
	{"HeapBlock", NULL, IMAGE_BLOCK},
	{"PcDesc", NULL, 8},
	{"ConstMethod", NULL, 24},
	{"ConstantPool", NULL, 24},
};

enum { STRUCT_STRIDE = 40, TYPE_STRIDE = 24 };

/* The rows of one table: with fields, or with sizes. A static field lies in `statics`, in order. */
static inline uint64_t image__table(struct image *image, bool fields, uint64_t statics)
{
	size_t n = sizeof(image_fields) / sizeof(image_fields[0]);
	size_t stride = fields ? STRUCT_STRIDE : TYPE_STRIDE;
	uint64_t table = image__room(image, (n + 1) * stride), row = table;

	for (size_t i = 0; i < n; i++) {
		const struct image_field *field = &image_fields[i];

		if (!field->field == fields)
			continue;
		image__set(image, row, image__text(image, field->type), 8);
		if (fields)
			image__set(image, row + 8, image__text(image, field->field), 8);
		if (field->offset == STATIC_FIELD) {
			image__set(image, row + 24, statics, 8);
			statics += 8;
		} else {
			image__set(image, row + (fields ? 16 : 8), field->offset, 8);
		}
		row += stride;
	}
	return table;
}

static inline void image__add_tables(struct image *image, uint64_t statics)
{
	const uint64_t columns[HOTSPOT_SYMBOLS] = {
		[HOTSPOT_STRUCTS] = image__table(image, true, statics),
		[HOTSPOT_STRUCT_STRIDE] = STRUCT_STRIDE,
		[HOTSPOT_STRUCT_TYPE] = 0,
		[HOTSPOT_STRUCT_FIELD] = 8,
		[HOTSPOT_STRUCT_OFFSET] = 16,
		[HOTSPOT_STRUCT_ADDRESS] = 24,
		[HOTSPOT_TYPES] = image__table(image, false, 0),
		[HOTSPOT_TYPE_STRIDE] = TYPE_STRIDE,
		[HOTSPOT_TYPE_NAME] = 0,
		[HOTSPOT_TYPE_SIZE] = 8,
	};

	for (size_t i = 0; i < HOTSPOT_SYMBOLS; i++)
		image->symbols[i] = image__word(image, columns[i]);
}

/* --- methods ------------------------------------------------------------------------------- */

static inline uint64_t image__symbol(struct image *image, const char *text)
{
	uint64_t at = image__room(image, 2 + strlen(text));

	image__set(image, at, strlen(text), 2);
	memcpy(image->bytes + (at - IMAGE_AT) + 2, text, strlen(text));
	return at;
}

/* 16 bytecodes; lines 10 at 0, 12 at 4, and then by the long form 300 at 9. */
static inline uint64_t image__method(struct image *image, uint64_t pool, unsigned name)
{
	static const uint8_t lines[] = {0xff, 0, 20, 4 << 3 | 2, 0xff, 10, 192, 6, 0};
	uint64_t code = image__room(image, 24 + 16 + sizeof(lines));
	uint64_t method = image__room(image, 16);

	image__set(image, method + 8, code, 8);
	image__set(image, code + 8, pool, 8);
	image__set(image, code + 16, 1, 2);
	image__set(image, code + 18, 16, 2);
	image__set(image, code + 20, name, 2);
	memcpy(image->bytes + (code - IMAGE_AT) + 24 + 16, lines, sizeof(lines));
	return method;
}

static inline void image__add_methods(struct image *image)
{
	uint64_t klass = image__room(image, 16), pool = image__room(image, 24 + 5 * 8);
	static const char *const names[] = {"put", "grow", "Cache.java"};

	image__set(image, klass + 8, image__symbol(image, "com/acme/Cache"), 8);
	image__set(image, pool + 8, klass, 8);
	image__set(image, pool + 16, 5, 4);
	image__set(image, pool + 20, 3, 2);
	for (unsigned i = 0; i < 3; i++)
		image__set(image, pool + 24 + 8 * (i + 1), image__symbol(image, names[i]), 8);
	image->put = image__method(image, pool, 1);
	image->grow = image__method(image, pool, 2);
	memcpy(&image->bytecodes, image->bytes + (image->put - IMAGE_AT) + 8, 8);
	image->bytecodes += 24;
}

/* --- the code cache ------------------------------------------------------------------------ */

static inline uint64_t image__piece(struct image *image, uint64_t map, unsigned from, unsigned to,
				    const char *name, unsigned frame_words)
{
	uint64_t block = IMAGE_AT + IMAGE_CODE + from * 64, piece = block + IMAGE_BLOCK;

	image__set(image, block + 8, 1, 1);
	image__set(image, piece, image__text(image, name), 8);
	image__set(image, piece + 8, (to - from) * 64 - IMAGE_BLOCK, 4);
	image__set(image, piece + 12, frame_words, 4);
	image__set(image, piece + 16, IMAGE_MADE, 4);
	image__set(image, piece + 24, piece + IMAGE_HEADER, 8);
	for (unsigned i = from; i < to; i++)
		image__set(image, map + i, i - from, 1);
	return piece;
}

static inline void image__add_debug(struct image *image, uint64_t piece)
{
	/* At 1: inlined into what is at 4, grow(), bytecode 5. At 4: put(), bytecode 9. */
	static const uint8_t scopes[] = {0, 4, 2, 6, 0, 1, 10};
	const uint32_t pcs[] = {-1, 0, IMAGE_CALL, 1, IMAGE_HANDLER, 4};
	uint64_t data = piece + IMAGE_HEADER + 0x80;

	image__set(image, piece + 32, image->put, 8);
	image__set(image, piece + 40, piece + IMAGE_HEADER + IMAGE_HANDLER, 8);
	image__set(image, piece + 48, data, 8);
	image__set(image, piece + 56, IMAGE_ORIG, 4);
	image__set(image, piece + 60, IMAGE_HEADER + 0x80 + 16, 4);
	image__set(image, piece + 64, IMAGE_HEADER + 0x80 + 16 + sizeof(pcs), 4);
	image__set(image, piece + 68, IMAGE_HEADER + 0x80 + 16 + sizeof(pcs), 4);
	memcpy(image->bytes + (data - IMAGE_AT), scopes, sizeof(scopes));
	memcpy(image->bytes + (data - IMAGE_AT) + 16, pcs, sizeof(pcs));
	image__set(image, data + 16 + sizeof(pcs), image->put, 8);
	image__set(image, data + 16 + sizeof(pcs) + 8, image->grow, 8);
}

static inline void image__make(struct image *image)
{
	uint64_t statics, map, heap, heaps, low = IMAGE_AT + IMAGE_CODE;
	uint64_t high = low + IMAGE_SEGMENTS * 64;

	memset(image, 0, sizeof(*image));
	image->used = 64;
	statics = image__room(image, 5 * 8);
	map = image__room(image, IMAGE_SEGMENTS);
	heap = image__room(image, 64);
	heaps = image__room(image, 16);
	image__add_tables(image, statics);
	image__add_methods(image);
	image->call_stub = image__code(IMAGE_STUBS) + 16;
	image__set(image, statics, 17, 4);
	image__set(image, statics + 8, heaps, 8);
	image__set(image, statics + 16, low, 8);
	image__set(image, statics + 24, high, 8);
	image__set(image, statics + 32, image->call_stub, 8);
	image__set(image, heaps, 1, 4);
	image__set(image, heaps + 8, image__word(image, heap), 8);
	image__set(image, heap + 8, low, 8);
	image__set(image, heap + 16, high, 8);
	image__set(image, heap + 24, map, 8);
	image__set(image, heap + 40, 6, 4);
	memset(image->bytes + (map - IMAGE_AT), 0xff, IMAGE_SEGMENTS);
	image__piece(image, map, IMAGE_INTERPRETER, IMAGE_COMPILED, "Interpreter", 0);
	image__add_debug(image, image__piece(image, map, IMAGE_COMPILED, IMAGE_STUBS, "nmethod",
					     IMAGE_WORDS));
	image__piece(image, map, IMAGE_STUBS, IMAGE_RUNTIME, "StubRoutines (1)", 0);
	image__piece(image, map, IMAGE_RUNTIME, IMAGE_VTABLE, "resolve_static_call", 4);
	image__piece(image, map, IMAGE_VTABLE, IMAGE_FREE, "vtable chunks", 0);
}

/* As the parent would read it. */
static inline size_t image__fetch(void *ctx, const struct wire_range *range, uint8_t *to)
{
	const struct image *image = ctx;
	uint64_t skip = range->at - IMAGE_AT, left = IMAGE_LEN - skip;
	size_t len;

	if (skip >= IMAGE_LEN)
		return 0;
	len = range->len < left ? range->len : left;
	memcpy(to, image->bytes + skip, len);
	return len;
}

static inline void image__no_file(void *ctx, const struct code_row *row)
{
	(void)ctx;
	(void)row;
}

#endif
