/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HotSpot's code cache: which piece of code an address belongs to, and which methods a compiled
 * piece has there.
 *
 *	CodeCache::_heaps ── CodeHeap ── segment map: how many segments back the block begins
 *	                        │
 *	                        └── HeapBlock │ CodeBlob (nmethod …) │ code │ its debug information
 */
#ifndef MEMPROV_HOTSPOT_CODE_H
#define MEMPROV_HOTSPOT_CODE_H

#include "child/hotspot_layout.h"
#include "child/symbol.h"

enum hotspot_kind {
	HOTSPOT_COMPILED, /* an nmethod: of a Java method, or a wrapper of a native one */
	HOTSPOT_INTERPRETER,
	HOTSPOT_STUBS,	   /* of which some have a frame, and some have none */
	HOTSPOT_FRAMELESS, /* they jump on: adapters, virtual calls */
	HOTSPOT_RUNTIME,   /* with a frame of a known size */
};

#define HOTSPOT_NAME_MAX 64

struct hotspot_blob {
	uint64_t start;
	uint64_t code; /* where it begins */
	uint64_t size; /* of all, from start on */
	enum hotspot_kind kind;
	uint32_t frame_words;	/* with the return address */
	int32_t frame_complete; /* how far into the code its frame is made; negative: never */
	char name[HOTSPOT_NAME_MAX];
};

/* False when there is none. */
bool hotspot_code__find(struct remote *remote, const struct hotspot_layout *layout, uint64_t pc,
			struct hotspot_blob *ret);

/* A frame that is to be deoptimised returns to a handler, and has in itself where it would have
 * returned to. True when pc is such a handler's: where the frame has that, from its stack pointer.
 */
bool hotspot_code__is_deoptimised(struct remote *remote, const struct hotspot_layout *layout,
				  const struct hotspot_blob *blob, uint64_t pc,
				  uint64_t *ret_offset);

/* A method that was inlined, or the compiled one. */
struct hotspot_scope {
	uint64_t method;
	int32_t bci;
};

/* Innermost first, SYMBOLS_MAX at most: how many. Of a compiled one, at an address that a call
 * returns to, or one that it had come to: then it is the next place of which the compiler told. */
size_t hotspot_code__scopes(struct remote *remote, const struct hotspot_layout *layout,
			    const struct hotspot_blob *blob, uint64_t pc,
			    struct hotspot_scope ret[SYMBOLS_MAX]);

#endif
