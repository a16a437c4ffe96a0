// SPDX-License-Identifier: BSD-2-Clause
/* Owners and uses of stacks: user/reconcile/frames.c and its table. The stacks are of Debian 12's
 * programs, as gdb printed them at mmap and brk, and of the same without symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "reconcile/frames.h"
#include "util/cleanup.h"

#define C	"/usr/lib/x86_64-linux-gnu/libc.so.6"
#define LD	"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
#define JVM	"/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so"
#define APP	"/usr/bin/ingest"
#define GO	"/srv/grower"
#define NODE	"/usr/bin/node"
#define PY	"/usr/bin/python3.11"
#define BRK	"__brk@" C "|__GI___sbrk@" C "|__glibc_morecore@" C "|sysmalloc@" C "|_int_malloc@" C
#define MMAPPED "__GI___mmap64@" C "|sysmalloc_mmap@" C "|sysmalloc@" C "|_int_malloc@" C
#define THREAD	"__GI___mmap64@" C "|allocate_stack@" C "|__pthread_create_2_1@" C
#define COMMIT	"__GI___mmap64@" C "|os::pd_commit_memory(char*, unsigned long, bool)@" JVM
#define RESERVE                                                                                    \
	"__GI___mmap64@" C "|os::pd_reserve_memory(unsigned long, bool)@" JVM                      \
	"|os::reserve_memory(unsigned long, bool, MEMFLAGS)@" JVM
#define V8	"__GI___mmap64@" C "|v8::base::OS::Allocate(void*, unsigned long, unsigned long)@" NODE
#define BUFFER	MMAPPED "|malloc@" C "|v8::internal::BackingStore::Allocate(unsigned long)@" NODE
#define GOMAP	"runtime.mmap@" GO "|runtime.sysMapOS@" GO "|runtime.sysMap@" GO
#define GOALLOC "runtime.mmap@" GO "|runtime.sysAllocOS@" GO "|runtime.sysAlloc@" GO
#define GOGROW                                                                                     \
	"|runtime.(*mheap).grow@" GO "|runtime.(*mheap).allocSpan@" GO                             \
	"|runtime.(*mheap).alloc@" GO "|runtime.mallocgc@" GO "|runtime.makeslice@" GO             \
	"|main.(*Arena).Grow@" GO "|main.main@" GO

/* "function@module|…", innermost first; "?" for what is not known, "[java]" for Java's functions.
 * owner: its function or module,
 * "" for none. */
static const struct {
	const char *stack, *owner;
	enum frame_runtime runtime;
	enum frame_use use;
} cases[] = {
	/* The application's own mapping, whatever called it. */
	{"__mmap64@" C "|ingest_grow@" APP "|main@" APP "|__libc_start_call_main@" C, "ingest_grow",
	 FRAME_NATIVE, FRAME_NO_USE},
	{"mmap@" C "|?@/usr/lib/libingest.so|?@" APP, "/usr/lib/libingest.so", FRAME_NATIVE,
	 FRAME_NO_USE},
	{"mmap@" C "|?@/usr/lib/ext.cpython-311.so|_PyEval_EvalFrameDefault@" PY,
	 "/usr/lib/ext.cpython-311.so", FRAME_NATIVE, FRAME_NO_USE},
	/* glibc's malloc, with debug symbols and with exported ones only. */
	{BRK "|__GI___libc_malloc@" C "|store(int)@" APP "|main@" APP, "store(int)", FRAME_NATIVE,
	 FRAME_HEAP},
	{MMAPPED "|__libc_calloc@" C "|table_new@" APP, "table_new", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@" C "|?@" C "|malloc@" C "|table_new@" APP, "table_new", FRAME_NATIVE,
	 FRAME_HEAP},
	{"sbrk@" C "|?@" C "|?@" C "|realloc@" C "|?@" APP, APP, FRAME_NATIVE, FRAME_HEAP},
	{"__mremap@" C "|mremap_chunk@" C "|__libc_realloc@" C "|grow@" APP, "grow", FRAME_NATIVE,
	 FRAME_HEAP},
	{"__GI___mmap64@" C "|alloc_new_heap@" C "|new_heap.constprop.0@" C "|_int_new_arena@" C
	 "|arena_get2.part.0@" C "|tcache_init@" C "|malloc@" C "|worker@" APP,
	 "worker", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@" C "|?@" C "|?@" C, "", FRAME_NATIVE, FRAME_NO_USE},
	/* C++ and Rust in between. */
	{MMAPPED "|malloc@" C "|operator new(unsigned long)@/usr/lib/libstdc++.so.6"
		 "|void std::vector<ns::Row, std::allocator<ns::Row> >::_M_realloc_insert<ns::Row "
		 "const&>(__gnu_cxx::__normal_iterator<ns::Row*, std::vector<ns::Row, "
		 "std::allocator<ns::Row> > >, ns::Row const&)@" APP
		 "|ns::ingest(std::vector<int, std::allocator<int> >&, std::string)@" APP,
	 "ns::ingest(std::vector<int, std::allocator<int> >&, std::string)", FRAME_NATIVE,
	 FRAME_HEAP},
	{MMAPPED
	 "|malloc@" C "|operator new(unsigned long)@/usr/lib/libstdc++.so.6"
	 "|std::vector<int, std::allocator<int> > (anonymous namespace)::read<int>(int)@" APP,
	 "std::vector<int, std::allocator<int> > (anonymous namespace)::read<int>(int)",
	 FRAME_NATIVE, FRAME_HEAP},
	{MMAPPED "|malloc@" C "|Pool::operator new(unsigned long)@" APP,
	 "Pool::operator new(unsigned long)", FRAME_NATIVE, FRAME_HEAP},
	{MMAPPED "|malloc@" C "|__rdl_alloc@" APP
		 "|alloc::raw_vec::RawVec<T,A>::reserve_for_push@" APP
		 "|<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend@" APP "|my::read@" APP,
	 "my::read", FRAME_NATIVE, FRAME_HEAP},
	/* Stacks of threads. */
	{THREAD "|spawn_worker@" APP, "spawn_worker", FRAME_NATIVE, FRAME_STACK},
	{"mmap@" C "|?@" C "|pthread_create@" C "|spawn_worker@" APP, "spawn_worker", FRAME_NATIVE,
	 FRAME_STACK},
	{BRK "|__libc_calloc@" C "|_dl_allocate_tls@" LD "|allocate_stack@" C
	     "|__pthread_create_2_1@" C "|spawn_worker@" APP,
	 "spawn_worker", FRAME_NATIVE, FRAME_HEAP},
	/* The loader: libraries are no heap; its own malloc is one. */
	{"__mmap64@" LD "|_dl_map_segments@" LD "|_dl_map_object_from_fd@" LD "|dl_open_worker@" LD
	 "|dlopen_implementation@" C "|___dlopen@" C "|_PyImport_FindSharedFuncptr@" PY,
	 "", FRAME_NATIVE, FRAME_NO_USE},
	{"?@" LD "|?@" LD "|?@" LD, "", FRAME_NATIVE, FRAME_NO_USE},
	{"__mmap64@" LD "|__minimal_malloc@" LD "|_dl_init_paths@" LD "|dl_main@" LD, "",
	 FRAME_NATIVE, FRAME_METADATA},
	/* Other allocators. */
	{"mmap@" C "|os_pages_map@/lib/libjemalloc.so.2|pages_map@/lib/libjemalloc.so.2"
	 "|je_malloc_default@/lib/libjemalloc.so.2|malloc@/lib/libjemalloc.so.2"
	 "|zmalloc@/usr/bin/redis-server|sdsnewlen@/usr/bin/redis-server",
	 "sdsnewlen", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@/lib/libjemalloc.so.2|?@/lib/libjemalloc.so.2|?@/usr/bin/redis-server",
	 "/usr/bin/redis-server", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@/lib/libtcmalloc.so.4|tc_malloc@/lib/libtcmalloc.so.4|load@" APP, "load",
	 FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@/lib/libmimalloc.so.2.0|mi_malloc@/lib/libmimalloc.so.2.0|load@" APP, "load",
	 FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|mi_os_mem_alloc@" APP "|_mi_os_alloc@" APP "|mi_malloc@" APP "|load@" APP,
	 "load", FRAME_NATIVE, FRAME_HEAP},
	/* Go */
	{GOMAP GOGROW, "main.(*Arena).Grow", FRAME_GO, FRAME_HEAP},
	{"runtime.mmap@" GO "|runtime.sysReserveOS@" GO "|runtime.sysReserve@" GO
	 "|runtime.(*mheap).sysAlloc@" GO GOGROW,
	 "main.(*Arena).Grow", FRAME_GO, FRAME_HEAP},
	{"runtime.mmap@" GO "|runtime.sysAllocOS@" GO "|runtime.(*mheap).sysAlloc@" GO GOGROW,
	 "main.(*Arena).Grow", FRAME_GO, FRAME_METADATA},
	{GOALLOC "|runtime.persistentalloc1@" GO "|runtime.persistentalloc@" GO
		 "|runtime.(*mheap).sysAlloc@" GO GOGROW,
	 "main.(*Arena).Grow", FRAME_GO, FRAME_METADATA},
	{GOMAP "|runtime.(*scavengeIndex).grow@" GO "|runtime.(*pageAlloc).sysGrow@" GO GOGROW,
	 "main.(*Arena).Grow", FRAME_GO, FRAME_METADATA},
	{GOALLOC "|runtime.newArenaMayUnlock@" GO "|runtime.newMarkBits@" GO
		 "|runtime.(*mheap).allocSpan@" GO "|runtime.systemstack@" GO,
	 "", FRAME_GO, FRAME_METADATA},
	{GOMAP "|runtime.(*mheap).grow@" GO "|runtime.(*mheap).allocManual@" GO
	       "|runtime.stackalloc@" GO "|runtime.malg@" GO "|runtime.schedinit@" GO,
	 "", FRAME_GO, FRAME_HEAP},
	{THREAD "|_cgo_sys_thread_start@" GO "|runtime.asmcgocall@" GO, "", FRAME_NATIVE,
	 FRAME_STACK},
	/* HotSpot */
	{"__GI___mmap64@" C "|os::pd_attempt_reserve_memory_at(char*, unsigned long, bool)@" JVM
	 "|os::attempt_reserve_memory_at(char*, unsigned long, bool)@" JVM
	 "|ReservedSpace::reserve(unsigned long, unsigned long, unsigned long, char*, bool)@" JVM
	 "|ReservedHeapSpace::try_reserve_range(char*, char*, unsigned long)@" JVM
	 "|Universe::reserve_heap(unsigned long, unsigned long)@" JVM,
	 "", FRAME_JAVA, FRAME_HEAP},
	{COMMIT "|os::pd_commit_memory_or_exit(char*)@" JVM
		"|G1PageBasedVirtualSpace::commit(unsigned long, unsigned long)@" JVM
		"|G1RegionsLargerThanCommitSizeMapper::commit_regions(unsigned int)@" JVM
		"|HeapRegionManager::expand(unsigned int, unsigned int, WorkGang*)@" JVM,
	 "", FRAME_JAVA, FRAME_HEAP},
	{COMMIT "|VirtualSpace::expand_by(unsigned long, bool)@" JVM
		"|TenuredGeneration::grow_by(unsigned long)@" JVM,
	 "", FRAME_JAVA, FRAME_HEAP},
	{COMMIT "|VirtualSpace::expand_by(unsigned long, bool)@" JVM
		"|BlockOffsetSharedArray::resize(unsigned long)@" JVM
		"|TenuredGeneration::TenuredGeneration(ReservedSpace, unsigned long)@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{COMMIT "|PSVirtualSpace::expand_by(unsigned long)@" JVM
		"|PSOldGen::expand_by(unsigned long)@" JVM,
	 "", FRAME_JAVA, FRAME_HEAP},
	{COMMIT "|PSVirtualSpace::expand_by(unsigned long)@" JVM
		"|ObjectStartArray::set_covered_region(MemRegion)@" JVM
		"|PSOldGen::post_resize()@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{COMMIT "|PSVirtualSpace::expand_by(unsigned long)@" JVM
		"|ParMarkBitMap::initialize(MemRegion)@" JVM
		"|PSParallelCompact::initialize()@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{COMMIT "|PSCardTable::resize_commit_uncommit(int, MemRegion)@" JVM
		"|PSYoungGen::post_resize()@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{COMMIT "|VirtualSpace::expand_by(unsigned long, bool)@" JVM
		"|CodeHeap::reserve(ReservedSpace, unsigned long, unsigned long)@" JVM
		"|CodeCache::add_heap(ReservedSpace, char const*, int)@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{RESERVE "|ReservedSpace::reserve(unsigned long)@" JVM
		 "|G1CollectedHeap::create_aux_memory_mapper(char const*, unsigned long)@" JVM
		 "|G1CollectedHeap::initialize()@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{RESERVE "|G1CMMarkStack::resize(unsigned long)@" JVM, "", FRAME_JAVA, FRAME_METADATA},
	{COMMIT "|metaspace::VirtualSpaceNode::commit_range(unsigned int*, unsigned long)@" JVM
		"|Metaspace::allocate(ClassLoaderData*, unsigned long, Thread*)@" JVM,
	 "", FRAME_JAVA, FRAME_METADATA},
	{"__GI___mmap64@" C "|os::pd_map_memory(int, char const*, unsigned long)@" JVM
	 "|FileMapInfo::map_heap_regions_impl()@" JVM "|FileMapInfo::map_heap_regions()@" JVM
	 "|MetaspaceShared::map_archives()@" JVM,
	 "", FRAME_JAVA, FRAME_HEAP},
	{COMMIT "|StackOverflow::create_stack_guard_pages()@" JVM "|JavaThread::run()@" JVM, "",
	 FRAME_JAVA, FRAME_STACK},
	{THREAD "|os::create_thread(Thread*, ThreadType)@" JVM "|?@?|?@?", "", FRAME_NATIVE,
	 FRAME_STACK},
	{MMAPPED "|malloc@" C "|os::malloc(unsigned long, MEMFLAGS)@" JVM
		 "|G1CollectedHeap::G1CollectedHeap()@" JVM,
	 "", FRAME_NATIVE, FRAME_HEAP},
	{MMAPPED "|malloc@" C "|os::malloc(unsigned long, MEMFLAGS)@" JVM
		 "|Unsafe_AllocateMemory0@" JVM "|?@?|Lcom/acme/Cache;::put@?|Interpreter@?",
	 "Lcom/acme/Cache;::put", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@" JVM "|?@" JVM "|?@?|?@?|?@" JVM, "", FRAME_JAVA, FRAME_METADATA},
	/* Java's frames: the program's method owns what the JDK's classes and HotSpot did for it.
	 */
	{MMAPPED
	 "|malloc@" C "|os::malloc(unsigned long, MEMFLAGS)@" JVM "|Unsafe_AllocateMemory0@" JVM
	 "|jdk.internal.misc.Unsafe.allocateMemory0@[java]"
	 "|java.nio.DirectByteBuffer.<init>@[java]|java.nio.ByteBuffer.allocateDirect@[java]"
	 "|com.acme.Cache.put@[java]|com.acme.Main.main@[java]"
	 "|~StubRoutines::call_stub@[java]|JavaCalls::call_helper(JavaValue*)@" JVM,
	 "com.acme.Cache.put", FRAME_NATIVE, FRAME_HEAP},
	{"__mmap64@" C "|Java_sun_nio_ch_FileChannelImpl_map0@/usr/lib/jvm/java-17/lib/libnio.so"
	 "|sun.nio.ch.FileChannelImpl.map0@[java]|com.acme.Store.open@[java]",
	 "com.acme.Store.open", FRAME_JAVA, FRAME_NO_USE},
	{THREAD "|os::create_thread(Thread*, os::ThreadType, unsigned long)@" JVM
		"|JVM_StartThread@" JVM "|java.lang.Thread.start0@[java]"
		"|java.lang.Thread.start@[java]|com.acme.Pool.grow@[java]",
	 "com.acme.Pool.grow", FRAME_NATIVE, FRAME_STACK},
	{"__mmap64@" C "|Java_com_acme_Native_grow@/srv/libacme.so|com.acme.Native.grow@[java]",
	 "Java_com_acme_Native_grow", FRAME_NATIVE, FRAME_NO_USE},
	/* No name of machine code's is one of Java's. */
	{COMMIT "|com.acme.CardTableView.malloc@[java]|~new_instance@[java]",
	 "com.acme.CardTableView.malloc", FRAME_JAVA, FRAME_METADATA},
	{COMMIT "|~resolve_static_call@[java]|java.lang.Thread.run@[java]", "", FRAME_JAVA,
	 FRAME_METADATA},
	/* V8 and Node.js */
	{V8 "|v8::internal::VirtualMemory::VirtualMemory(v8::PageAllocator*, unsigned long)@" NODE
	    "|v8::internal::MemoryAllocator::AllocateAlignedMemory(unsigned long)@" NODE
	    "|v8::internal::PagedSpaceBase::TryExpandImpl()@" NODE
	    "|LazyCompile:~grow /srv/a.js:3@?",
	 "LazyCompile:~grow /srv/a.js:3", FRAME_NODE, FRAME_HEAP},
	{V8 "|v8::internal::VirtualMemoryCage::InitReservation()@" NODE
	    "|v8::internal::CodeRange::InitReservation(v8::PageAllocator*, unsigned long)@" NODE
	    "|v8::internal::Heap::SetUp(v8::internal::LocalHeap*)@" NODE,
	 "", FRAME_NODE, FRAME_METADATA},
	{V8 "|cppgc::internal::GCInfoTable::GCInfoTable(v8::PageAllocator*)@" NODE, "", FRAME_NODE,
	 FRAME_METADATA},
	{"mmap@" C "|?@" NODE "|?@" NODE "|?@?", "", FRAME_NODE, FRAME_HEAP},
	{THREAD "|uv_thread_create_ex@" NODE "|node::WorkerThreadsTaskRunner::X(int)@" NODE, "",
	 FRAME_NATIVE, FRAME_STACK},
	{"mmap@" C "|napi_grow@/srv/addon.node|v8impl::cb(int)@" NODE, "napi_grow", FRAME_NATIVE,
	 FRAME_NO_USE},
	/* CPython: its arenas are mapped by functions that are not exported. */
	{"__GI___mmap64@" C "|?@" PY "|?@" PY "|_PyObject_GC_New@" PY "|PyList_New@" PY, "",
	 FRAME_PYTHON, FRAME_HEAP},
	{"mmap@" C "|_PyObject_ArenaMmap@" PY "|new_arena@" PY "|pymalloc_alloc@" PY
	 "|PyArray_New@/usr/lib/_multiarray_umath.so",
	 "PyArray_New", FRAME_PYTHON, FRAME_HEAP},
	{BRK "|malloc@" C "|?@" PY "|PyDict_SetDefault@" PY, "", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|new_mmap_object@" PY "|PyObject_Call@" PY, "", FRAME_PYTHON, FRAME_NO_USE},
	/* Others */
	{"mmap@" C "|zend_mm_mmap@/usr/bin/php8.2|zend_mm_chunk_alloc@/usr/bin/php8.2", "",
	 FRAME_PHP, FRAME_HEAP},
	{"mmap@" C
	 "|heap_page_allocate@/usr/lib/libruby-3.1.so.3.1|rb_newobj_of@/usr/lib/libruby.so",
	 "", FRAME_RUBY, FRAME_HEAP},
	{"mmap@" C "|?@/usr/lib/libcuda.so.1|cuMemHostAlloc@/usr/lib/libcuda.so.1|train@" APP,
	 "train", FRAME_NATIVE, FRAME_NO_USE},
	{"mmap@" C "|?@/opt/dotnet/libcoreclr.so (deleted)|?@?", "", FRAME_DOTNET, FRAME_METADATA},
	/* What malloc calls is malloc's, whatever it is called; a signal handler is not. */
	{"mmap@" APP "|grow_chunk@" APP "|?@" APP "|__malloc@" APP "|malloc_pool_grow@" APP
	 "|main@" APP,
	 "malloc_pool_grow", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" APP "|__libc_malloc_impl@" APP "|leak_session@" APP, "leak_session", FRAME_NATIVE,
	 FRAME_HEAP},
	{"__mmap64@" C "|dump_state@" APP "|on_signal@" APP "|__restore_rt@" C "|_int_malloc@" C
	 "|malloc@" C "|handle@" APP,
	 "dump_state", FRAME_NATIVE, FRAME_NO_USE},
	{"__mmap64@" C "|os_pages_map.constprop.0@" APP "|je_pages_map@" APP "|pac_alloc_real@" APP
	 "|je_pa_alloc@" APP "|je_malloc_default@" APP "|load@" APP,
	 "load", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|_rjem_je_pages_map@" APP "|do_rallocx@" APP "|_rjem_rallocx@" APP
	 "|<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::realloc@" APP
	 "|__rust_realloc@" APP "|my::read@" APP,
	 "my::read", FRAME_NATIVE, FRAME_HEAP},
	{"__mmap64@" C "|_mi_prim_alloc@" APP "|mi_segment_alloc@" APP "|_mi_malloc_generic@" APP
	 "|mi_session_grow@" APP "|main@" APP,
	 "mi_session_grow", FRAME_NATIVE, FRAME_HEAP},
	{"__mmap64@" C "|snmalloc::PALLinux::reserve(unsigned long)@" APP
	 "|snmalloc::Allocator::alloc(unsigned long)@" APP "|load@" APP,
	 "load", FRAME_NATIVE, FRAME_HEAP},
	{"__mmap64@" C "|?@/lib/libgc.so.1.5.1|?@/lib/libgc.so.1.5.1"
	 "|GC_generic_malloc@/lib/libgc.so.1.5.1|GC_malloc_kind_global@/lib/libgc.so.1.5.1"
	 "|scm_c_make_vector@/lib/libguile-3.0.so.1.5.0|?@?",
	 "", FRAME_NATIVE, FRAME_HEAP},
	{"__mmap64@" C "|?@/lib/libapr-1.so.0.7.2|apr_palloc@/lib/libapr-1.so.0.7.2|conf@" APP,
	 "conf", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@/lib/libc.so|?@/lib/libc.so|leak_session@" APP, "leak_session", FRAME_NATIVE,
	 FRAME_HEAP},
	{"mmap@/lib/libc.so|ingest_grow@" APP, "ingest_grow", FRAME_NATIVE, FRAME_NO_USE},
	/* An allocator that the loader sets up. */
	{"__mmap64@" C "|?@/lib/libjemalloc.so.2|?@/lib/libjemalloc.so.2|call_init@" LD
	 "|_dl_start_user@" LD,
	 "", FRAME_NATIVE, FRAME_HEAP},
	/* Runtimes that have no heading of their own. */
	{"__mmap64@" C "|erts_mmap@/usr/lib/beam.smp|?@/usr/lib/beam.smp"
	 "|erts_mseg_alloc_opt@/usr/lib/beam.smp|?@/usr/lib/beam.smp"
	 "|erts_alcu_alloc_thr_pref@/usr/lib/beam.smp|db_store_term@/usr/lib/beam.smp"
	 "|?@/memfd:vmem (deleted)",
	 "", FRAME_OTHER_RUNTIME, FRAME_HEAP},
	{"__mmap64@" C
	 "|asmjit::_abi_1_9::VirtMem::allocDualMapping(asmjit::VirtMem::DualMapping*)@/usr/lib/"
	 "beam.smp|beamasm_init@/usr/lib/beam.smp|main@/usr/lib/beam.smp",
	 "", FRAME_OTHER_RUNTIME, FRAME_METADATA},
	{"mmap@" C "|os_alloc_gc_space@/usr/bin/sbcl|?@/usr/bin/sbcl|main@/usr/bin/sbcl", "",
	 FRAME_OTHER_RUNTIME, FRAME_HEAP},
	{MMAPPED "|__libc_malloc@" C "|caml_alloc_for_heap@" APP "|expand_heap@" APP
		 "|caml_alloc_shr@" APP "|caml_alloc_string@" APP "|camlStdlib__Bytes__make_93@" APP
		 "|camlO__entry@" APP,
	 "camlO__entry", FRAME_NATIVE, FRAME_HEAP},
	{"__mmap64@" C "|my_mmap@" APP "|osCommitMemory@" APP "|getMBlocks@" APP
	 "|alloc_mega_group@" APP "|allocGroupOnNode@" APP "|todo_block_full@" APP
	 "|scavenge_loop@" APP "|GarbageCollect@" APP "|scheduleDoGC.constprop.0.isra.0@" APP
	 "|schedule@" APP "|scheduleWaitThread@" APP "|rts_evalLazyIO@" APP "|hs_main@" APP
	 "|main@" APP,
	 "main", FRAME_OTHER_RUNTIME, FRAME_HEAP},
	{MMAPPED "|malloc@" C "|Rf_allocVector3@/usr/lib/R/lib/libR.so|?@/usr/lib/R/lib/libR.so"
		 "|Rf_eval@/usr/lib/R/lib/libR.so|main@/usr/lib/R/bin/exec/R",
	 "", FRAME_NATIVE, FRAME_HEAP},
	{"mmap@" C "|?@/usr/bin/luajit|?@/usr/bin/luajit|lua_pcall@/usr/bin/luajit", "",
	 FRAME_OTHER_RUNTIME, FRAME_HEAP},
	{MMAPPED "|realloc@" C "|l_alloc@" APP "|luaM_realloc_@" APP "|luaH_resize@" APP
		 "|luaV_execute@" APP "|lua_pcall@" APP "|run_script@" APP,
	 "run_script", FRAME_NATIVE, FRAME_HEAP},
	/* JavaScript: Node's own files are the runtime's, whatever the functions are called. */
	{BUFFER "|createUnsafeBuffer@node:internal/buffer|alloc@node:buffer|leak@/srv/app.js"
		"|(anonymous)@/srv/app.js|load@node:internal/modules|Builtins_JSEntry@" NODE,
	 "leak", FRAME_NATIVE, FRAME_HEAP},
	{BUFFER "|get size@file:///srv/node_modules/pool/index.js|(anonymous)@/srv/app.js",
	 "get size", FRAME_NATIVE, FRAME_HEAP},
	{BUFFER "|alloc@node:buffer|(anonymous)@node:internal/main|Builtins_JSEntry@" NODE, "",
	 FRAME_NATIVE, FRAME_HEAP},
	{V8 "|v8::internal::Heap::AllocateRaw(int)@" NODE "|leak@/srv/app.js", "leak", FRAME_NODE,
	 FRAME_HEAP},
	/* Names that only look like those above. */
	{"mmap@" C "|malloc_pool_grow@" APP "|main@" APP, "malloc_pool_grow", FRAME_NATIVE,
	 FRAME_NO_USE},
	{"mmap@" C "|arena_grow@" APP "|GC_collect_cache@" APP, "arena_grow", FRAME_NATIVE,
	 FRAME_NO_USE},
	{"mmap@" C "|tc_table_alloc@" APP "|main@" APP, "tc_table_alloc", FRAME_NATIVE,
	 FRAME_NO_USE},
	{"mmap@" C "|runtimes_open@" APP, "runtimes_open", FRAME_NATIVE, FRAME_NO_USE},
	{"mmap@" C "|app::load(std::string, v8::internal::Heap::X)@" APP,
	 "app::load(std::string, v8::internal::Heap::X)", FRAME_NATIVE, FRAME_NO_USE},
	{"mmap@" C "|G1PageBasedVirtualSpace::commit()@" APP, "G1PageBasedVirtualSpace::commit()",
	 FRAME_NATIVE, FRAME_NO_USE},
	{"mmap@" C "|f@/usr/lib/libcrypto.so.3", "f", FRAME_NATIVE, FRAME_NO_USE},
	{"mmap@" C "|f@/srv/nodejs-app", "f", FRAME_NATIVE, FRAME_NO_USE},
};

/* Frames of Python between native ones. */
#define ARENA	 "__mmap64@" C "|_PyObject_ArenaMmap@" PY "|_PyObject_Malloc@" PY
#define IMPORT	 "_call_with_frames_removed@<frozen importlib._bootstrap>|?@" PY
#define NUMPY	 "/usr/lib/python3/dist-packages/numpy/core/_multiarray_umath.cpython-311.so"
#define THREADED "Thread._bootstrap_inner@/usr/lib/python3.11/threading.py"
static const struct {
	const char *stack, *owner;
	enum frame_use use;
} python_cases[] = {
	{ARENA "|store@/srv/app.py|main@/srv/app.py|<module>@/srv/app.py|main@" PY, "store",
	 FRAME_HEAP},
	{ARENA "|<module>@/srv/app.py|Py_RunMain@" PY, "<module>", FRAME_HEAP},
	/* Comprehensions are part of a function, functions in a function are not. */
	{ARENA "|f.<locals>.<listcomp>@/srv/app.py|f@/srv/app.py", "f", FRAME_HEAP},
	{ARENA "|f.<locals>.<lambda>@/srv/app.py|f@/srv/app.py", "f.<locals>.<lambda>", FRAME_HEAP},
	/* What imports, unless nobody does but another module's body. */
	{ARENA "|" IMPORT "|<module>@/srv/lib.py|" IMPORT "|load@/srv/app.py", "load", FRAME_HEAP},
	{ARENA "|" IMPORT "|<module>@/srv/lib.py|" IMPORT "|<module>@/srv/app.py", "<module>",
	 FRAME_HEAP},
	/* Threads, and nothing else of Python. */
	{ARENA "|work@/srv/app.py|Thread.run@/usr/lib/python3.11/threading.py|" THREADED, "work",
	 FRAME_HEAP},
	{ARENA "|" THREADED, "", FRAME_HEAP},
	{ARENA "|Thread.run@/srv/app.py|" THREADED, "Thread.run", FRAME_HEAP},
	/* An installed module's C does it for the caller; the program's own C owns. */
	{MMAPPED "|malloc@" C "|?@" NUMPY "|?@" NUMPY "|fill@/srv/app.py", "fill", FRAME_HEAP},
	{MMAPPED "|malloc@" C "|?@" NUMPY "|<module>@/srv/app.py", "<module>", FRAME_HEAP},
	{MMAPPED "|malloc@" C "|fill@/srv/fast.cpython-311.so|fill_all@/srv/app.py", "fill",
	 FRAME_HEAP},
	{MMAPPED "|malloc@" C "|?@" NUMPY, NUMPY, FRAME_HEAP},
	/* Embedded in a program of C. */
	{ARENA "|<module>@/srv/hook.py|PyRun_SimpleString@" PY "|main@" APP, "<module>",
	 FRAME_HEAP},
	/* A name says nothing of what a function of Python is. */
	{"mmap@" C "|malloc@/srv/app.py|runtime.mallocgc@/srv/app.py", "malloc", FRAME_NO_USE},
};

static char *part(char **rest, char end)
{
	char *text = *rest, *stop = strchr(text, end);

	*rest = stop ? stop + 1 : text + strlen(text);
	if (stop)
		*stop = '\0';
	return strcmp(text, "?") ? text : NULL;
}

static size_t parse(char *stack, struct frame *frames, const struct frame **ret)
{
	size_t n = 0;

	while (*stack) {
		char *frame = part(&stack, '|');

		frames[n].function = part(&frame, '@');
		frames[n].module = part(&frame, '|');
		if (frames[n].module && !strcmp(frames[n].module, "[java]")) {
			frames[n].module = NULL;
			frames[n].language = FRAME_OF_JAVA;
		}
		/* Of other functions of languages their file stands there. */
		if (frames[n].module &&
		    (strstr(frames[n].module, ".js") || !strncmp(frames[n].module, "node:", 5))) {
			frames[n].language = FRAME_OF_JAVASCRIPT;
			frames[n].file = frames[n].module;
			frames[n].module = NULL;
		}
		if (frames[n].module &&
		    (strstr(frames[n].module, ".py") || *frames[n].module == '<')) {
			frames[n].language = FRAME_OF_PYTHON;
			frames[n].file = frames[n].module;
			frames[n].module = PY;
		}
		ret[n] = &frames[n];
		n++;
	}
	return n;
}

static void stacks(void **state)
{
	unsigned failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = strdup(cases[i].stack);
		struct frame storage[32] = {};
		const struct frame *frames[32];
		size_t n = parse(text, storage, frames);
		int owner = frames__owner(frames, n);
		struct frames_class class = frames__class(frames, n);
		const char *name = "";

		if (owner >= 0)
			name = frames[owner]->function ?: frames[owner]->module;
		if (strcmp(name, cases[i].owner) || class.use != cases[i].use ||
		    class.runtime != cases[i].runtime) {
			print_message("%s\n\towner '%s', not '%s'; use %d of %d, not %d of %d\n",
				      cases[i].stack, name, cases[i].owner, class.use,
				      class.runtime, cases[i].use, cases[i].runtime);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void stacks_with_python(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(python_cases); i++) {
		_cleanup_free_ char *text = strdup(python_cases[i].stack);
		struct frame storage[32] = {};
		const struct frame *frames[32];
		size_t n = parse(text, storage, frames);
		int owner = frames__owner(frames, n);

		assert_string_equal(owner < 0 ? "" : frames[owner]->function ?: frames[owner]->module,
				    python_cases[i].owner);
		assert_int_equal(frames__class(frames, n).use, python_cases[i].use);
	}
}

/* What G1 commits is what it was reserved for; of others their own frames tell. */
static void as_reserved(void **state)
{
	static const struct {
		const char *stack;
		bool as_reserved;
	} rows[] = {
		{COMMIT "|G1PageBasedVirtualSpace::commit(unsigned long, unsigned long)@" JVM
			"|HeapRegionManager::commit_regions(unsigned int, WorkGang*)@" JVM,
		 true},
		{COMMIT "|ShenandoahHeap::initialize()@" JVM "|universe_init()@" JVM, true},
		{COMMIT "|VirtualSpace::expand_by(unsigned long, bool)@" JVM
			"|TenuredGeneration::grow_by(unsigned long)@" JVM,
		 false},
		{"mmap@" C "|?@" JVM "|?@" JVM, false},
		/* By frame pointers, of a program that has none. */
		{"mmap@" C, true},
		{"__mmap64@" LD "|_dl_map_segments@" LD, false},
		{"mmap@" C "|ingest_grow@" APP, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = strdup(rows[i].stack);
		struct frame storage[32] = {};
		const struct frame *frames[32];
		size_t n = parse(text, storage, frames);

		assert_int_equal(frames__class(frames, n).as_reserved, rows[i].as_reserved);
	}
}

/* The owner of shared memory. */
static void shared_memory(void **state)
{
	static const struct {
		const char *stack;
		enum frame_use use;
		bool private_only;
	} rows[] = {
		{"__GI___mmap64@" C "|ZPhysicalMemoryBacking::map(unsigned long)@" JVM, FRAME_HEAP,
		 false},
		{"mmap@" C "|?@" JVM "|?@" JVM, FRAME_METADATA, false},
		{"mmap@" C "|?@/opt/dotnet/libcoreclr.so|?@/opt/dotnet/libcoreclr.so",
		 FRAME_METADATA, false},
		{"mmap@" C "|?@/usr/lib/php/20220829/opcache.so|?@/usr/bin/php8.2", FRAME_METADATA,
		 false},
		/* FileChannel.map, and a foreign call of what the JVM compiled. */
		{"mmap@" C "|FileChannelImpl_map0@/usr/lib/jvm/lib/libnio.so|?@?|?@" JVM,
		 FRAME_NO_USE, false},
		{"mmap@" C "|?@?|?@?|JavaCalls::call_helper(X)@" JVM, FRAME_METADATA, true},
		/* mmap.mmap(-1, n), IO::Buffer, shmop: functions without a name. */
		{"mmap@" C "|?@/usr/bin/python3.11|_PyEval_EvalFrameDefault@/usr/bin/python3.11",
		 FRAME_HEAP, true},
		{"mmap@" C "|?@/usr/lib/libruby-3.1.so.3.1|rb_call@/usr/lib/libruby.so", FRAME_HEAP,
		 true},
		{"shmat@" C "|?@/usr/bin/php8.2|execute_ex@/usr/bin/php8.2", FRAME_HEAP, true},
		{"mmap@" C "|attach_cache@" APP "|main@" APP, FRAME_NO_USE, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = strdup(rows[i].stack);
		struct frame storage[32] = {};
		const struct frame *frames[32];
		size_t n = parse(text, storage, frames);
		struct frames_class class = frames__class(frames, n);

		assert_int_equal(class.use, rows[i].use);
		assert_int_equal(class.private_only, rows[i].private_only);
	}
}

static void nothing_known(void **state)
{
	static const struct frame none;
	const struct frame *unknown[] = {&none, &none, &none};

	assert_int_equal(frames__owner(NULL, 0), -1);
	assert_int_equal(frames__class(NULL, 0).use, FRAME_NO_USE);
	assert_int_equal(frames__owner(unknown, 3), -1);
	assert_int_equal(frames__class(unknown, 3).use, FRAME_NO_USE);
}

/* A row behind one that takes all that it would take never counts. */
static void no_row_is_hidden(void **state)
{
	for (const struct frame_row *row = frames_table; row->function || row->module; row++)
		for (const struct frame_row *before = frames_table; before < row; before++) {
			bool function = !before->function ||
					(row->function && !strcmp(before->function, row->function));
			bool module = !before->module ||
				      (row->module && !strcmp(before->module, row->module));

			if (function && module)
				fail_msg("row %s %s comes too late", row->function, row->module);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks),	 cmocka_unit_test(stacks_with_python),
		cmocka_unit_test(as_reserved),	 cmocka_unit_test(shared_memory),
		cmocka_unit_test(nothing_known), cmocka_unit_test(no_row_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
