// SPDX-License-Identifier: BSD-2-Clause
/*
 * What functions and modules are, from stacks of real programs (tests/unit/test_frames.c has some).
 * The first row that fits a frame counts: within a group, special before general. Of the functions
 * that only carry others' requests on (os::commit_memory), the use is unsaid.
 */
#include "reconcile/frames.h"

#define ANY NULL
/* Short, so that a row stays a line. */
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
		ANY, name, FRAME_LOADER, FRAME_NATIVE, FRAME_NO_USE, FRAME_SAYS                    \
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
#define V8(name, use)                                                                              \
	{                                                                                          \
		name, ANY, FRAME_RUNTIME, FRAME_NODE, use, FRAME_SAYS                              \
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
#define RUNTIME_MODULE(name, runtime, use)                                                         \
	{                                                                                          \
		ANY, name, FRAME_RUNTIME, runtime, use, FRAME_SAYS_AT_LAST                         \
	}

#define UNSAID	 FRAME_UNSAID
#define NO_USE	 FRAME_NO_USE
#define HEAP	 FRAME_HEAP
#define METADATA FRAME_METADATA

const struct frame_row frames_table[] = {
	/* --- system calls, wherever they are linked in --- */
	LIBC_FUNCTION("mmap"),
	LIBC_FUNCTION("mmap64"),
	LIBC_FUNCTION("__mmap"),
	LIBC_FUNCTION("__mmap64"),
	LIBC_FUNCTION("mremap"),
	LIBC_FUNCTION("__mremap"),
	LIBC_FUNCTION("brk"),
	LIBC_FUNCTION("__brk"),
	LIBC_FUNCTION("sbrk"),
	LIBC_FUNCTION("__sbrk"),
	LIBC_FUNCTION("shmat"),
	LIBC_FUNCTION("syscall"),

	/* --- threads: before malloc, which shares its module --- */
	STACK("allocate_stack"),
	STACK("allocate_thread_stack"),
	STACK("pthread_create"),
	STACK("pthread_create@*"),
	STACK("__pthread_create*"),
	STACK("___pthread_create*"),

	/* --- jemalloc: what it keeps for itself comes through base_* --- */
	MALLOC_META("base_*", "libjemalloc*"),
	MALLOC_META("je_base_*", ANY),
	MALLOC_IN("*", "libjemalloc*"),
	MALLOC_MODULE("libjemalloc*"),
	MALLOC("je_*"),
	MALLOC("os_pages_map"),
	MALLOC("pages_map"),
	MALLOC("extent_alloc_mmap"),
	MALLOC("ehooks_default_alloc_impl"),
	/* --- tcmalloc (gperftools, Google), mimalloc, others; a loaded one defines malloc, too ---
	 */
	MALLOC_META("*MetaDataAlloc", ANY),
	MALLOC_IN("*", "libtcmalloc*"),
	MALLOC_MODULE("libtcmalloc*"),
	MALLOC("tcmalloc::*"),
	MALLOC("TCMalloc*"),
	MALLOC("tc_*alloc*"),
	MALLOC_IN("*", "libmimalloc*"),
	MALLOC_MODULE("libmimalloc*"),
	MALLOC("mi_*"),
	MALLOC("_mi_*"),
	MALLOC("rpmalloc*"),
	MALLOC("scudo::*"),
	MALLOC_MODULE("libasan.so*"),
	MALLOC("__asan::*"),
	MALLOC("__sanitizer::*"),
	MALLOC("__interceptor_*"),

	/* --- the loader; before malloc: it has a malloc of its own --- */
	{"*malloc", "ld-linux*", FRAME_LOADER, FRAME_NATIVE, METADATA, FRAME_SAYS},
	{"calloc", "ld-linux*", FRAME_LOADER, FRAME_NATIVE, METADATA, FRAME_SAYS},
	LOADER_MODULE("ld-linux*"),
	LOADER_MODULE("ld-2.*"),
	LOADER_MODULE("ld64.so*"),
	LOADER_FUNCTION("_dl_allocate_tls*", METADATA),
	LOADER_FUNCTION("_dl_*", NO_USE),
	LOADER_FUNCTION("dl_open_worker*", NO_USE),
	LOADER_FUNCTION("dlopen*", NO_USE),
	LOADER_FUNCTION("__dlopen*", NO_USE),
	LOADER_FUNCTION("dlmopen*", NO_USE),

	/* --- glibc's malloc, also linked in statically or without its inner symbols --- */
	MALLOC("sysmalloc*"),
	MALLOC("_int_malloc"),
	MALLOC("_int_realloc"),
	MALLOC("_int_memalign"),
	MALLOC("_int_free"),
	MALLOC("_int_new_arena"),
	MALLOC("_mid_memalign"),
	MALLOC("__glibc_morecore"),
	MALLOC("__default_morecore"),
	MALLOC("new_heap"),
	MALLOC("alloc_new_heap"),
	MALLOC("grow_heap"),
	MALLOC("shrink_heap"),
	MALLOC("systrim"),
	MALLOC("mremap_chunk"),
	MALLOC("arena_get*"),
	MALLOC("tcache_init"),
	MALLOC_IN("alloc_*", "ld-musl*"),
	MALLOC("malloc"),
	MALLOC("calloc"),
	MALLOC("realloc"),
	MALLOC("reallocarray"),
	MALLOC("free"),
	MALLOC("cfree"),
	MALLOC("memalign"),
	MALLOC("posix_memalign"),
	MALLOC("__posix_memalign"),
	MALLOC("aligned_alloc"),
	MALLOC("valloc"),
	MALLOC("pvalloc"),
	MALLOC("malloc_trim"),
	MALLOC("__libc_malloc"),
	MALLOC("__libc_calloc"),
	MALLOC("__libc_realloc"),
	MALLOC("__libc_memalign"),
	MALLOC("__libc_valloc"),
	MALLOC("__libc_pvalloc"),
	MALLOC("__libc_free"),

	/* --- what only calls malloc: C++, Rust and their containers, glib --- */
	CALLS_MALLOC("operator new*"),
	CALLS_MALLOC("operator delete*"),
	CALLS_MALLOC("__rust_alloc*"),
	CALLS_MALLOC("__rust_realloc"),
	CALLS_MALLOC("__rdl_*"),
	CALLS_MALLOC("__rg_*"),
	CALLS_MALLOC("zmalloc*"), /* Redis */
	CALLS_MALLOC("zcalloc*"),
	CALLS_MALLOC("zrealloc*"),
	CALLS_MALLOC("ztry*alloc*"),
	CALLS_MALLOC("palloc*"), /* PostgreSQL */
	CALLS_MALLOC("MemoryContextAlloc*"),
	CALLS_MALLOC("AllocSet*"),
	CALLS_MALLOC("ngx_alloc"), /* nginx */
	CALLS_MALLOC("ngx_p*alloc*"),
	CALLS_MALLOC("CRYPTO_*alloc"),
	CALLS_MALLOC("sqlite3*alloc*"),
	CALLS_MALLOC("xmalloc"),
	CALLS_MALLOC("xcalloc"),
	CALLS_MALLOC("xrealloc"),
	CALLS_MALLOC("g_malloc*"),
	CALLS_MALLOC("g_realloc*"),
	CALLS_MALLOC("g_slice_alloc*"),
	LANGUAGE("std::*"),
	LANGUAGE("<std::*"),
	LANGUAGE("core::*"),
	LANGUAGE("<core::*"),
	LANGUAGE("alloc::*"),
	LANGUAGE("<alloc::*"),
	LANGUAGE("hashbrown::*"),
	LANGUAGE("<hashbrown::*"),
	LANGUAGE("__gnu_cxx::*"),

	/* --- Go. sysAlloc is for what the runtime keeps for itself; the heap is reserved by
	 * (*mheap).sysAlloc and mapped by (*mheap).grow. Goroutines' stacks are pieces of it. ---
	 */
	GO("runtime.sysAlloc", METADATA),
	GO("runtime.sysAllocOS", METADATA),
	GO("runtime.persistentalloc*", METADATA),
	GO("runtime.(*pageAlloc).*", METADATA),
	GO("runtime.(*scavengeIndex).*", METADATA),
	GO("runtime.(*fixalloc).*", METADATA),
	GO("runtime.(*spanSet).*", METADATA),
	GO("runtime.(*mheap).init", METADATA),
	GO("runtime.(*mheap).enableMetadataHugePages", METADATA),
	GO("runtime.newArenaMayUnlock", METADATA),
	GO("runtime.(*profBuf).*", METADATA),
	GO("runtime.(*traceBuf*", METADATA),
	GO("runtime.(*mheap).grow", HEAP),
	GO("runtime.(*mheap).sysAlloc", HEAP),
	GO("runtime.(*mheap).allocUserArenaChunk", HEAP),
	GO("runtime.(*linearAlloc).alloc", HEAP),
	GO("runtime.sysHugePage*", UNSAID),
	GO("runtime.stackalloc", FRAME_STACK),
	GO("runtime.stackpoolalloc", FRAME_STACK),
	GO("runtime.malg*", FRAME_STACK),
	GO("runtime.newosproc*", FRAME_STACK),
	GO("runtime.*", UNSAID),
	GO("runtime/*", UNSAID),
	GO("internal/runtime/*", UNSAID),
	GO("internal/cpu.*", UNSAID),
	GO("internal/bytealg.*", UNSAID),
	GO("_cgo_*", UNSAID),
	GO("x_cgo_*", UNSAID),
	GO("crosscall*", UNSAID),

	/* --- HotSpot. What its collectors keep beside the heap comes before the generations that
	 * it belongs to. --- */
	JAVA("FileMapInfo::map_heap_region*", HEAP),
	JAVA("FileMapInfo::*", METADATA),
	JAVA("MetaspaceShared::*", METADATA),
	JAVA("Metaspace::*", METADATA),
	JAVA("metaspace::*", METADATA),
	JAVA("CompressedClassSpace*", METADATA),
	JAVA("CodeHeap::*", METADATA),
	JAVA("CodeCache::*", METADATA),
	JAVA("ReservedCodeSpace::*", METADATA),
	JAVA("StackOverflow::*", FRAME_STACK),
	JAVA("JavaThread::create_stack_guard_pages", FRAME_STACK),
	JAVA("os::create_thread", FRAME_STACK),
	JAVA("*CardTable*", METADATA),
	JAVA("BlockOffset*", METADATA),
	JAVA("ObjectStartArray::*", METADATA),
	JAVA("ParMarkBitMap::*", METADATA),
	JAVA("ParallelCompactData::*", METADATA),
	JAVA_COMMITS("G1PageBasedVirtualSpace::*", HEAP),
	JAVA("G1CollectedHeap::create_aux_memory_mapper", METADATA),
	JAVA("ReservedHeapSpace::*", HEAP),
	JAVA("Universe::reserve_heap", HEAP),
	JAVA("PSOldGen::*", HEAP),
	JAVA("PSYoungGen::*", HEAP),
	JAVA("MutableSpace::*", HEAP),
	JAVA("MutableNUMASpace::*", HEAP),
	JAVA("DefNewGeneration::*", HEAP),
	JAVA("TenuredGeneration::*", HEAP),
	JAVA("CardGeneration::*", HEAP),
	JAVA("Generation::*", HEAP),
	JAVA("ZPhysicalMemory*", HEAP),
	JAVA("ZVirtualMemory*", HEAP),
	JAVA("ZPageAllocator::*", HEAP),
	JAVA("ShenandoahHeapRegion::*", HEAP),
	JAVA("EpsilonHeap::*", HEAP),
	JAVA_COMMITS("ShenandoahHeap::initialize", METADATA),
	JAVA("G1*", METADATA),
	RUNTIME_MODULE("libjvm.so", FRAME_JAVA, METADATA),
	RUNTIME_MODULE("libjli.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("libjava.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("libjimage.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("libzip.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("libnio.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("libnet.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("libverify.so", FRAME_JAVA, UNSAID),
	RUNTIME_MODULE("java", FRAME_JAVA, UNSAID),

	/* --- V8, also within other programs --- */
	V8("v8::internal::CodeRange::*", METADATA),
	V8("v8::internal::wasm::*", METADATA),
	V8("v8::base::OS::RemapPages", METADATA),
	V8("cppgc::internal::GCInfoTable::*", METADATA),
	V8("cppgc::internal::*PageMemory*", HEAP),
	V8("cppgc::internal::PageBackend::*", HEAP),
	V8("cppgc::internal::CagedHeap::*", HEAP),
	V8("v8::internal::MemoryAllocator::*", HEAP),
	V8("v8::internal::MemoryChunk::*", HEAP),
	V8("v8::internal::*Space::*", HEAP),
	V8("v8::internal::*SpaceBase::*", HEAP),
	V8("v8::internal::Heap::*", HEAP),
	V8("v8::internal::IsolateAllocator::*", HEAP),
	V8("v8::internal::IsolateGroup::*", HEAP),
	V8("v8::internal::BackingStore::*", HEAP),
	V8("v8::*", UNSAID),
	V8("cppgc::*", UNSAID),
	V8("heap::base::*", UNSAID),
	V8("node::*", UNSAID),
	RUNTIME_MODULE("node", FRAME_NODE, HEAP),
	RUNTIME_MODULE("nodejs", FRAME_NODE, HEAP),
	RUNTIME_MODULE("libnode.so*", FRAME_NODE, HEAP),
	RUNTIME_MODULE("libv8*.so*", FRAME_NODE, HEAP),
	RUNTIME_MODULE("libuv.so*", FRAME_NODE, UNSAID),

	/* --- CPython --- */
	PYTHON("_PyObject_Arena*", HEAP),
	PYTHON("pymalloc_*", HEAP),
	PYTHON("_PyObject_Malloc*", HEAP),
	PYTHON("PyObject_Malloc", HEAP),
	PYTHON("PyObject_Calloc", HEAP),
	PYTHON("PyObject_Realloc", HEAP),
	{"new_arena", "*python*", FRAME_RUNTIME, FRAME_PYTHON, HEAP, FRAME_SAYS},
	{"new_mmap_object", "*python*", FRAME_RUNTIME, FRAME_PYTHON, NO_USE, FRAME_SAYS},
	PYTHON("_PyThreadState_PushFrame", METADATA),
	PYTHON("push_chunk", METADATA),
	PYTHON("_Py_*", UNSAID),
	PYTHON("Py_*", UNSAID),
	RUNTIME_MODULE("python", FRAME_PYTHON, HEAP),
	RUNTIME_MODULE("python2*", FRAME_PYTHON, HEAP),
	RUNTIME_MODULE("python3*", FRAME_PYTHON, HEAP),
	RUNTIME_MODULE("libpython*", FRAME_PYTHON, HEAP),
	RUNTIME_MODULE("pypy*", FRAME_PYTHON, HEAP),
	RUNTIME_MODULE("libpypy*", FRAME_PYTHON, HEAP),

	/* --- PHP, Ruby, .NET --- */
	PHP("zend_mm_*", HEAP),
	PHP("_emalloc*", HEAP),
	PHP("alloc_globals_ctor", HEAP),
	PHP("start_memory_manager", HEAP),
	PHP("zend_accel_*", METADATA),
	PHP("zend_shared_*", METADATA),
	PHP("zend_jit_*", METADATA),
	PHP("zend_fiber_*", FRAME_STACK),
	PHP("zend_*", UNSAID),
	RUNTIME_MODULE("php", FRAME_PHP, HEAP),
	RUNTIME_MODULE("php5*", FRAME_PHP, HEAP),
	RUNTIME_MODULE("php7*", FRAME_PHP, HEAP),
	RUNTIME_MODULE("php8*", FRAME_PHP, HEAP),
	RUNTIME_MODULE("php-fpm*", FRAME_PHP, HEAP),
	RUNTIME_MODULE("libphp*", FRAME_PHP, HEAP),
	RUBY("heap_page_*", HEAP),
	RUBY("gc_aligned_malloc", HEAP),
	RUBY("rb_aligned_malloc", HEAP),
	RUBY("fiber_pool_*", FRAME_STACK),
	RUBY("rb_yjit_*", METADATA),
	RUBY("rb_*", UNSAID),
	RUNTIME_MODULE("ruby", FRAME_RUBY, HEAP),
	RUNTIME_MODULE("ruby2*", FRAME_RUBY, HEAP),
	RUNTIME_MODULE("ruby3*", FRAME_RUBY, HEAP),
	RUNTIME_MODULE("libruby*", FRAME_RUBY, HEAP),
	{"*gc_heap::*", "libc*r*.so", FRAME_RUNTIME, FRAME_DOTNET, HEAP, FRAME_SAYS},
	{"GCToOSInterface::*", "libc*r*.so", FRAME_RUNTIME, FRAME_DOTNET, UNSAID, FRAME_SAYS},
	RUNTIME_MODULE("libcoreclr.so", FRAME_DOTNET, METADATA),
	RUNTIME_MODULE("libclrgc.so", FRAME_DOTNET, HEAP),
	RUNTIME_MODULE("libclrjit.so", FRAME_DOTNET, METADATA),

	/* --- CUDA: memory of the host that a device reaches; whoever asked for it owns it --- */
	CUDA("cuMem*"),
	CUDA("cudaMalloc*"),
	CUDA("cudaHostAlloc"),
	{ANY, "libcuda.so*", FRAME_ALLOCATOR, FRAME_CUDA, UNSAID, FRAME_SAYS},
	{ANY, "libcudart*", FRAME_ALLOCATOR, FRAME_CUDA, UNSAID, FRAME_SAYS},
	{ANY, "libnvidia-*", FRAME_ALLOCATOR, FRAME_CUDA, UNSAID, FRAME_SAYS},

	/* --- the C library and what belongs to it: whatever else they do --- */
	LIBC_MODULE("libc.so*"),
	LIBC_MODULE("libc-2.*"),
	LIBC_MODULE("ld-musl*"),
	LIBC_MODULE("libpthread*"),
	LIBC_MODULE("libm.so*"),
	LIBC_MODULE("libdl*"),
	LIBC_MODULE("librt*"),
	LIBC_MODULE("libgcc_s*"),
	LIBC_MODULE("libstdc++*"),
	LIBC_MODULE("libc++*"),
	LIBC_MODULE("[vdso]"),
	{ANY, ANY, FRAME_OTHER, FRAME_NATIVE, FRAME_UNSAID, FRAME_SAYS},
};
