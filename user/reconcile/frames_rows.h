/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of row that the tables (frames_table.c, frames_languages.c) have, so that each of them
 * stays a line. */
#ifndef MEMPROV_FRAMES_ROWS_H
#define MEMPROV_FRAMES_ROWS_H

#define ANY NULL
#define LIBC_FUNCTION(name)                                                                        \
	{                                                                                          \
		name, ANY, FRAME_LIBC, FRAME_NATIVE, FRAME_UNSAID, FRAME_SAYS                      \
	}
#define LIBC_MODULE(name)                                                                          \
	{                                                                                          \
		ANY, name, FRAME_LIBC, FRAME_NATIVE, FRAME_UNSAID, FRAME_SAYS                      \
	}
#define LOADER_FUNCTION(name, use)                                                                 \
	{                                                                                          \
		name, ANY, FRAME_LOADER, FRAME_NATIVE, use, FRAME_SAYS                             \
	}
#define LOADER_MODULE(name)                                                                        \
	{                                                                                          \
		ANY, name, FRAME_LOADER, FRAME_NATIVE, FRAME_NO_USE, FRAME_SAYS_AT_LAST            \
	}
#define STACK(name)                                                                                \
	{                                                                                          \
		name, ANY, FRAME_THREADS, FRAME_NATIVE, FRAME_STACK, FRAME_SAYS                    \
	}
#define MALLOC(name)                                                                               \
	{                                                                                          \
		name, ANY, FRAME_ALLOCATOR, FRAME_NATIVE, FRAME_HEAP, FRAME_SAYS                   \
	}
#define MALLOC_IN(name, module)                                                                    \
	{                                                                                          \
		name, module, FRAME_ALLOCATOR, FRAME_NATIVE, FRAME_HEAP, FRAME_SAYS                \
	}
#define MALLOC_META(name, module)                                                                  \
	{                                                                                          \
		name, module, FRAME_ALLOCATOR, FRAME_NATIVE, FRAME_METADATA, FRAME_SAYS            \
	}
#define MALLOC_MODULE(name)                                                                        \
	{                                                                                          \
		ANY, name, FRAME_ALLOCATOR, FRAME_NATIVE, FRAME_HEAP, FRAME_SAYS_AT_LAST           \
	}
#define ENTRY(name)                                                                                \
	{                                                                                          \
		name, ANY, FRAME_ENTRY, FRAME_NATIVE, FRAME_HEAP, FRAME_SAYS                       \
	}
#define CALLS_MALLOC(name)                                                                         \
	{                                                                                          \
		name, ANY, FRAME_ALLOCATOR, FRAME_NATIVE, FRAME_UNSAID, FRAME_SAYS                 \
	}
#define LANGUAGE(name)                                                                             \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_NATIVE, FRAME_UNSAID, FRAME_SAYS                   \
	}
#define GO(name, use)                                                                              \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_GO, use, FRAME_SAYS                                \
	}
#define JAVA(name, use)                                                                            \
	{                                                                                          \
		name, "libjvm.so", FRAME_RUNTIME, FRAME_JAVA, use, FRAME_SAYS                      \
	}
#define JAVA_COMMITS(name, use)                                                                    \
	{                                                                                          \
		name, "libjvm.so", FRAME_RUNTIME, FRAME_JAVA, use, FRAME_SAYS_IF_NOT_RESERVED      \
	}
/* Functions of Java itself. */
#define JAVA_CLASSES(name)                                                                         \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_JAVA, FRAME_UNSAID, FRAME_SAYS                     \
	}
#define JAVA_ALLOCATOR(name)                                                                       \
	{                                                                                          \
		name, ANY, FRAME_ALLOCATOR, FRAME_JAVA, FRAME_UNSAID, FRAME_SAYS                   \
	}
#define V8(name, use)                                                                              \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_NODE, use, FRAME_SAYS                              \
	}
/* Functions of Node's own files. */
#define NODE_FILES(name)                                                                           \
	{                                                                                          \
		ANY, name, FRAME_RUNTIME, FRAME_NODE, FRAME_UNSAID, FRAME_SAYS                     \
	}
#define PYTHON(name, use)                                                                          \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_PYTHON, use, FRAME_SAYS                            \
	}
#define PHP(name, use)                                                                             \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_PHP, use, FRAME_SAYS                               \
	}
#define RUBY(name, use)                                                                            \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_RUBY, use, FRAME_SAYS                              \
	}
#define CUDA(name)                                                                                 \
	{                                                                                          \
		name, ANY, FRAME_ALLOCATOR, FRAME_CUDA, FRAME_UNSAID, FRAME_SAYS                   \
	}
#define DOTNET(name, use)                                                                          \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_DOTNET, use, FRAME_SAYS                            \
	}
/* Of a runtime that has no heading of its own. */
#define OTHER(name, use)                                                                           \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_OTHER_RUNTIME, use, FRAME_SAYS                     \
	}
#define OTHER_ENTRY(name)                                                                          \
	{                                                                                          \
		name, ANY, FRAME_ENTRY, FRAME_OTHER_RUNTIME, FRAME_HEAP, FRAME_SAYS                \
	}
#define RUNTIME_MODULE(name, runtime, use)                                                         \
	{                                                                                          \
		ANY, name, FRAME_RUNTIME, runtime, use, FRAME_SAYS_AT_LAST                         \
	}

/* It may also map what its programs share, by functions that are stripped of their names. */
#define INTERPRETER(name, runtime)                                                                 \
	{                                                                                          \
		ANY, name, FRAME_RUNTIME, runtime, FRAME_HEAP, FRAME_SAYS_AT_LAST_OF_PRIVATE       \
	}

#define END                                                                                        \
	{                                                                                          \
		ANY, ANY, FRAME_OTHER, FRAME_NATIVE, FRAME_UNSAID, FRAME_SAYS                      \
	}

#define UNSAID	 FRAME_UNSAID
#define NO_USE	 FRAME_NO_USE
#define HEAP	 FRAME_HEAP
#define METADATA FRAME_METADATA

#endif
