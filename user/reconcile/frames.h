/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stack says of the mapping that it made: which function is responsible for it, and what a
 * runtime uses it for. All knowledge is in a table (frames_table.c) of rows: pattern of the
 * function, pattern of the module, what such a frame is.
 *
 * A frame's first row says what it is. Going outwards from the system call, frames of the C
 * library, loaders, allocators and language runtimes are passed over; the first other one is the
 * owner:
 *
 *	mmap64           libc.so.6     C library
 *	sysmalloc        libc.so.6     allocator    use: heap   ← the innermost that says a use
 *	malloc           libc.so.6     allocator
 *	std::vector<…>   ingest        runtime (C++)
 *	ingest_grow      ingest        owner
 *	main             ingest
 *
 * Of an interpreted function, Python's, the interpreter is no owner, and neither are the functions
 * that start programs, threads and imports (frames_python.c). What a native module does that was
 * installed for Python, it does for the function that called it; and importing a module, for the
 * function that imports it, if that is in one.
 *
 * No allocator calls the program back: whatever stands inside malloc, a static function or one
 * without a name, is malloc's, so the owner lies outside the outermost entry of an allocator. A
 * signal handler begins anew.
 *
 * The use is what the innermost frame with one says, short of the owner: what an application maps
 * itself is no runtime's, even when a runtime calls the application. A runtime without symbols has
 * its module's default, which counts only if no function said more. An interpreter also maps what
 * its programs share with others (Python's mmap, Ruby's IO::Buffer), by functions whose names may
 * be stripped: so its default is for private memory only.
 *
 * A runtime may reserve addresses for several uses, and make memory of all of them by the same
 * calls, as HotSpot's G1 does for its heap and for the tables beside it. Then the stack of the
 * reservation says the use; and also where a stack itself says nothing, not even an owner.
 */
#ifndef MEMPROV_FRAMES_H
#define MEMPROV_FRAMES_H

#include <stddef.h>

#include "wire/frame.h"

enum frame_kind {
	FRAME_OTHER, /* an application, a library: may own */
	FRAME_LIBC,  /* also what stands between: libstdc++, sanitizers' interceptors */
	FRAME_LOADER,
	FRAME_ALLOCATOR,
	FRAME_ENTRY,		/* malloc and its like: what it calls is the allocator's, too */
	FRAME_ENTRY_AND_CALLER, /* so is its only caller, whose name others have, too */
	FRAME_SIGNAL,		/* where a handler returns to */
	FRAME_THREADS,		/* makes threads and their stacks */
	FRAME_RUNTIME,
};

enum frame_runtime {
	FRAME_NATIVE, /* C, C++, Rust */
	FRAME_GO,
	FRAME_JAVA,
	FRAME_NODE,
	FRAME_PYTHON,
	FRAME_PHP,
	FRAME_RUBY,
	FRAME_DOTNET,
	FRAME_CUDA,
	FRAME_OTHER_RUNTIME,
};

enum frame_use {
	FRAME_UNSAID,
	FRAME_NO_USE, /* said: no runtime's. A library that was loaded */
	FRAME_HEAP,
	FRAME_STACK,
	FRAME_METADATA, /* also code that was made, and what garbage collectors keep */
};

enum frame_say {
	FRAME_SAYS,		    /* the use */
	FRAME_SAYS_IF_NOT_RESERVED, /* what the addresses were reserved for tells more, if known */
	FRAME_SAYS_AT_LAST,	    /* only if no other row says one */
	/* As before, and only of private memory: the module also maps what a program shares. */
	FRAME_SAYS_AT_LAST_OF_PRIVATE,
};

struct frame_row {
	const char *function; /* '*' stands for any text; NULL: any, also if it is not known */
	const char *module;   /* of the base name; of a language's frame, its file; NULL: any */
	enum frame_kind kind;
	enum frame_runtime runtime;
	enum frame_use use;
	enum frame_say say;
};

struct frames_class {
	enum frame_runtime runtime;
	enum frame_use use; /* FRAME_NO_USE: nothing is said of it */
	bool as_reserved;   /* the stack of the reservation, if there is one, tells more */
	bool private_only;  /* of shared memory nothing is said */
};

/* Of frames, innermost first: the owner's index, -1 when all are of the C library, of allocators or
 * runtimes, or nothing is known of them. */
int frames__owner(const struct frame *const *frames, size_t n);
struct frames_class frames__class(const struct frame *const *frames, size_t n);

/* The table, in order, ending with a row of two NULLs: for frames.c and its test. */
extern const struct frame_row frames_table[];

/* The same for frames of languages, whose names are compared as they are (frames_languages.c). */
extern const struct frame_row *const frames_languages[FRAME_LANGUAGES];

#endif
