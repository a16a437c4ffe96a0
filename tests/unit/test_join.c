// SPDX-License-Identifier: BSD-2-Clause
/* Joining a ledger to a snapshot: every resident byte once, under what is known of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "reconcile/frames.h"
#include "reconcile/join.h"
#include "reconcile/share.h"
#include "util/cleanup.h"

#define PAGE 4096ULL

struct fixture {
	struct vma_set set;
	struct ledger_pool *pool;
	struct ledger ledger;
	struct record *a;
	struct record *b;
	struct arena *strings;
	struct join_config config;
	struct part_list parts;
	const uint64_t *resident; /* pages, by part; NULL: cannot be counted */
	const uint64_t *huge;	  /* the same of those in huge pages; NULL: none */
	size_t asked;
};

static enum file_role role_by_inode(const struct vma *vma, void *ctx)
{
	return vma->inode - 1; /* inode 1 is the binary, and so on */
}

static int count(uint64_t lo, uint64_t hi, struct pagemap_counts *ret, void *ctx)
{
	struct fixture *f = ctx;

	if (!f->resident)
		return -EPERM;
	ret->huge = f->huge ? f->huge[f->asked] * PAGE : 0;
	ret->resident = f->resident[f->asked++] * PAGE;
	ret->swapped = 0;
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->pool = ledger_pool__new();
	f->a = record__new(ORIGIN_MMAP, 1, NULL, "a", NULL);
	f->b = record__new(ORIGIN_MMAP, 7, NULL, "b", NULL);
	f->strings = arena__new();
	buf__add(&f->set.names, "", 1);
	f->config = (struct join_config){
		.set = &f->set,
		.ledger = &f->ledger,
		.space_id = 1,
		.exec_space = 1,
		.page_size = PAGE,
		.role = role_by_inode,
		.count = count,
		.ctx = f,
		.strings = f->strings,
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	part_list__free(&f->parts);
	vma_set__free(&f->set);
	ledger__free(&f->ledger);
	record__unref(f->a);
	record__unref(f->b);
	ledger_pool__free(f->pool);
	arena__free(f->strings);
	free(f);
	return 0;
}

static struct vma *add_vma(struct fixture *f, uint64_t lo, uint64_t hi, enum vma_kind kind,
			   const char *name, uint64_t inode, uint64_t rss)
{
	struct vma *vma;

	f->set.vmas = realloc(f->set.vmas, (f->set.n + 1) * sizeof(*vma));
	vma = &f->set.vmas[f->set.n++];
	*vma = (struct vma){.start = lo * PAGE,
			    .end = hi * PAGE,
			    .kind = kind,
			    .perms = "rw-p",
			    .inode = inode,
			    .rss = rss * PAGE,
			    .pss = rss * PAGE - rss,
			    .private_dirty = rss * PAGE};
	if (name) {
		vma->name = f->set.names.len;
		buf__add(&f->set.names, name, strlen(name) + 1);
	}
	return vma;
}

static void put(struct fixture *f, uint64_t lo, uint64_t hi, struct record *record,
		const char *name)
{
	struct name *n = name ? name__new(NAMED_BY_PRCTL, name, NULL) : NULL;

	ledger__put(&f->ledger, f->pool,
		    &(struct ledger_range){.start = lo * PAGE,
					   .end = hi * PAGE,
					   .record = record,
					   .name = n,
					   .touched_ns = 1});
	name__unref(n);
}

static const struct part *join(struct fixture *f, size_t n)
{
	assert_int_equal(join__parts(&f->config, &f->parts), 0);
	assert_int_equal(f->parts.n, n);
	return f->parts.parts;
}

/* 8 MiB from one creator, 8 from another, merged by the kernel. */
static void test_merged_vma(void **state)
{
	struct fixture *f = *state;
	const struct part *p;

	f->resident = (const uint64_t[]){768, 0, 1280};
	add_vma(f, 1000, 5097, VMA_ANON, NULL, 0, 2048);
	put(f, 1000, 3048, f->a, NULL);
	put(f, 3049, 5097, f->b, NULL);
	p = join(f, 3);
	assert_int_equal(p[0].rss, 3145728);
	assert_int_equal(p[1].rss, 0);
	assert_int_equal(p[2].rss, 5242880);
	assert_int_equal(p[0].rss_source, RSS_PAGEMAP);
	assert_int_equal(p[0].pss + p[1].pss + p[2].pss, f->set.vmas[0].pss);
	assert_int_equal(p[0].origin, ORIGIN_MMAP);
	assert_int_equal(p[1].origin, ORIGIN_UNKNOWN);
	assert_int_equal(p[1].coverage, COVERAGE_UNKNOWN);
	assert_false(p[0].inherited);
	assert_true(p[2].inherited); /* made in another space, before the fork */
	assert_string_equal(p[2].thread, "b");
}

/* The target touched pages between the two readings, or pages cannot be counted. */
static void test_estimates_add_up(void **state)
{
	struct fixture *f = *state;
	const struct part *p;

	add_vma(f, 1000, 1008, VMA_ANON, NULL, 0, 5);
	f->set.vmas[0].swap = 3 * PAGE;
	put(f, 1000, 1002, f->a, NULL);
	put(f, 1002, 1008, f->b, NULL);
	p = join(f, 2);
	assert_int_equal(p[0].rss_source, RSS_ESTIMATED);
	assert_int_equal(p[0].rss, 1 * PAGE); /* two pages of eight, five resident */
	assert_int_equal(p[1].rss, 4 * PAGE);
	assert_int_equal(p[0].swap + p[1].swap, 3 * PAGE);
	part_list__free(&f->parts);
	f->resident = (const uint64_t[]){2, 2};
	p = join(f, 2);
	assert_int_equal(p[0].rss_source, RSS_ESTIMATED);
	assert_int_equal(p[0].rss + p[1].rss, 5 * PAGE);
}

static void test_evidence(void **state)
{
	struct fixture *f = *state;
	const struct part *p;

	add_vma(f, 10, 12, VMA_FILE, "/bin/x", 1, 1);	  /* the program */
	add_vma(f, 12, 14, VMA_ANON, NULL, 0, 1);	  /* its .bss */
	add_vma(f, 15, 16, VMA_ANON, NULL, 0, 1);	  /* not right behind it */
	add_vma(f, 20, 22, VMA_FILE, "/lib/ld.so", 2, 1); /* the loader */
	add_vma(f, 30, 32, VMA_FILE, "/lib/y.so", 3, 1);  /* a library that no event mapped */
	add_vma(f, 40, 42, VMA_STACK, "[stack]", 0, 1);
	add_vma(f, 50, 52, VMA_KERNEL, "[vdso]", 0, 1);
	p = join(f, 7);
	assert_int_equal(p[0].origin, ORIGIN_EXEC);
	assert_int_equal(p[1].origin, ORIGIN_EXEC);
	assert_int_equal(p[2].origin, ORIGIN_UNKNOWN);
	assert_int_equal(p[3].origin, ORIGIN_EXEC);
	assert_int_equal(p[4].origin, ORIGIN_UNKNOWN);
	assert_int_equal(p[5].origin, ORIGIN_STACK);
	assert_int_equal(p[6].origin, ORIGIN_KERNEL);
	for (int i = 0; i < 7; i++)
		assert_int_equal(p[i].coverage,
				 i == 2 || i == 4 ? COVERAGE_UNKNOWN : COVERAGE_KERNEL);
	/* without the exec having been seen, nothing speaks for it */
	part_list__free(&f->parts);
	f->config.exec_space = 0;
	p = join(f, 7);
	assert_int_equal(p[0].origin, ORIGIN_UNKNOWN);
	assert_int_equal(p[1].origin, ORIGIN_UNKNOWN);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	const struct part *p;

	f->resident = (const uint64_t[]){1, 1};
	add_vma(f, 10, 20, VMA_ANON, NULL, 0, 2);
	add_vma(f, 30, 40, VMA_ANON_NAMED, "[anon: Go: heap]", 0, 2);
	add_vma(f, 50, 60, VMA_SHARED_ANON, "/dev/zero (deleted)", 9, 2);
	add_vma(f, 70, 80, VMA_FILE, "/bin/x", 1, 2);
	put(f, 10, 15, f->a, " glibc: malloc arena");
	put(f, 15, 20, f->a, "TXMetaCache");
	put(f, 30, 40, f->a, "what the attempt said");
	put(f, 50, 60, f->a, "ring");
	put(f, 70, 80, f->a, "not a file's");
	add_vma(f, 90, 99, VMA_MEMFD, "/memfd:x (deleted)", 9, 2);
	put(f, 90, 99, f->a, "a memfd's");
	p = join(f, 6);
	assert_string_equal(p[0].name, "[anon: glibc: malloc arena]");
	assert_int_equal(p[0].name_source, NAME_PRCTL);
	assert_int_equal(p[0].category, CATEGORY_RUNTIME_HEAP);
	assert_string_equal(p[1].name, "[anon: TXMetaCache]");
	assert_string_equal(p[1].given_name, "TXMetaCache");
	assert_int_equal(p[1].category, CATEGORY_NAMED);
	assert_string_equal(p[2].name, "[anon: Go: heap]");
	assert_int_equal(p[2].name_source, NAME_KERNEL);
	assert_int_equal(p[2].category, CATEGORY_RUNTIME_HEAP);
	assert_string_equal(p[3].name, "[anon_shmem: ring]");
	assert_int_equal(p[3].category, CATEGORY_NAMED);
	assert_string_equal(p[4].name, "/bin/x");
	assert_int_equal(p[4].name_source, NAME_FILE);
	assert_int_equal(p[4].category, CATEGORY_BINARY);
	assert_string_equal(p[5].name, "[anon_shmem: a memfd's]");
	assert_int_equal(p[5].category, CATEGORY_NAMED);
}

static void test_names_that_the_kernel_has(void **state)
{
	struct fixture *f = *state;
	struct trace *trace = trace__new();
	struct name *name = name__new(NAMED_BY_PRCTL, " Go: heap", trace);
	const struct part *p;

	add_vma(f, 10, 20, VMA_ANON_NAMED, "[anon: Go: heap]", 0, 2);
	add_vma(f, 20, 30, VMA_ANON_NAMED, "[anon: another]", 0, 2);
	add_vma(f, 40, 50, VMA_SHMEM_NAMED, "[anon_shmem:]", 9, 2);
	ledger__put(&f->ledger, f->pool,
		    &(struct ledger_range){.start = 10 * PAGE,
					   .end = 30 * PAGE,
					   .record = f->a,
					   .name = name,
					   .touched_ns = 1});
	name__unref(name);
	p = join(f, 3);
	assert_int_equal(p[0].name_source, NAME_KERNEL);
	assert_ptr_equal(p[0].name_trace, trace);
	assert_int_equal(p[1].name_source, NAME_KERNEL);
	assert_null(p[1].name_trace);
	assert_int_equal(p[2].name_source, NAME_NONE);
	assert_null(p[2].name);
	assert_int_equal(p[2].category, CATEGORY_SHARED_MEMORY);
	trace__unref(trace);
}

static void test_thread_stack(void **state)
{
	struct fixture *f = *state;
	struct name *name = name__new(NAMED_BY_CLONE, "pool/7", NULL);
	const struct part *p;

	add_vma(f, 10, 20, VMA_ANON, NULL, 0, 4);
	ledger__put(&f->ledger, f->pool,
		    &(struct ledger_range){.start = 10 * PAGE,
					   .end = 20 * PAGE,
					   .record = f->a,
					   .name = name,
					   .touched_ns = 1});
	name__unref(name);
	p = join(f, 1);
	assert_string_equal(p[0].name, "[stack: pool/7]");
	assert_int_equal(p[0].name_source, NAME_INFERRED);
	assert_int_equal(p[0].category, CATEGORY_RUNTIME_STACK);
	assert_null(p[0].given_name);
}

static struct callsite *site_for(enum frame_use use, bool as_reserved)
{
	struct callsite *site = calloc(1, sizeof(*site));

	site->refs = 1;
	site->use = use;
	site->as_reserved = as_reserved;
	return site;
}

static void answer(struct trace *trace, struct callsite *site)
{
	trace__resolve(trace, site);
	callsite__unref(site);
}

/* One call makes memory of the heap and of the tables beside it; their reservations differ. */
static void test_what_was_reserved(void **state)
{
	struct fixture *f = *state;
	struct trace *commit = trace__new(), *tables = trace__new(), *lost = trace__new();
	struct part parts[] = {
		{.trace = commit, .category = CATEGORY_ANON_RW},
		{.trace = commit, .reservation = tables, .category = CATEGORY_ANON_RW},
		{.trace = commit, .reservation = lost, .category = CATEGORY_ANON_RW},
		{.trace = commit, .reservation = tables, .category = CATEGORY_NAMED},
	};

	answer(commit, site_for(FRAME_HEAP, true));
	assert_true(parts__have_waiting_stacks(parts, ARRAY_SIZE(parts)));
	parts__resolve(parts, ARRAY_SIZE(parts));
	assert_int_equal(parts[0].category, CATEGORY_RUNTIME_HEAP);
	assert_int_equal(parts[1].category, CATEGORY_ANON_RW);
	answer(tables, site_for(FRAME_METADATA, false));
	answer(lost, NULL);
	assert_false(parts__have_waiting_stacks(parts, ARRAY_SIZE(parts)));
	parts__resolve(parts, ARRAY_SIZE(parts));
	assert_int_equal(parts[0].category, CATEGORY_RUNTIME_HEAP);
	assert_int_equal(parts[1].category, CATEGORY_RUNTIME_METADATA);
	assert_int_equal(parts[2].category, CATEGORY_RUNTIME_HEAP);
	assert_int_equal(parts[3].category, CATEGORY_NAMED);
	trace__unref(commit);
	trace__unref(tables);
	trace__unref(lost);

	/* A call that says itself what it is for is not asked twice. */
	commit = trace__new();
	tables = trace__new();
	answer(commit, site_for(FRAME_STACK, false));
	parts[0] =
		(struct part){.trace = commit, .reservation = tables, .category = CATEGORY_ANON_RW};
	parts__resolve(parts, 1);
	assert_int_equal(parts[0].category, CATEGORY_RUNTIME_STACK);
	trace__unref(commit);
	trace__unref(tables);
	/* Joined, each part has its record's. */
	add_vma(f, 10, 20, VMA_ANON, NULL, 0, 4);
	f->a->reservation = trace__new();
	put(f, 10, 20, f->a, NULL);
	assert_ptr_equal(join(f, 1)->reservation, f->a->reservation);
}

/* A runtime's heap is its heap wherever its pages come from; what a program shares stays shared. */
static void test_memory_of_all_kinds(void **state)
{
	static const char gone[] = "/tmp/jvmheap (deleted)";
	static const struct {
		enum category before;
		const char *perms, *name;
		enum frame_use use;
		bool private_only;
		enum category after;
	} rows[] = {
		{CATEGORY_SHARED_MEMORY, "rw-s", "/memfd:java_heap (deleted)", FRAME_HEAP, false,
		 CATEGORY_RUNTIME_HEAP},
		{CATEGORY_SHARED_MEMORY, "r-xs", "/memfd:vmem (deleted)", FRAME_METADATA, false,
		 CATEGORY_RUNTIME_METADATA},
		{CATEGORY_SHARED_MEMORY, "rw-s", "/dev/shm/x", FRAME_HEAP, true,
		 CATEGORY_SHARED_MEMORY},
		{CATEGORY_SHARED_MEMORY, "rw-s", "/memfd:java_heap (deleted)", FRAME_NO_USE, false,
		 CATEGORY_SHARED_MEMORY},
		{CATEGORY_OTHER_FILE, "rw-s", gone, FRAME_HEAP, false, CATEGORY_RUNTIME_HEAP},
		{CATEGORY_OTHER_FILE, "rw-s", gone, FRAME_HEAP, true, CATEGORY_OTHER_FILE},
		{CATEGORY_OTHER_FILE, "r--s", gone, FRAME_HEAP, false, CATEGORY_OTHER_FILE},
		{CATEGORY_OTHER_FILE, "rw-p", gone, FRAME_HEAP, false, CATEGORY_OTHER_FILE},
		{CATEGORY_OTHER_FILE, "rw-s", "/tmp/data", FRAME_HEAP, false, CATEGORY_OTHER_FILE},
		{CATEGORY_LIBRARY, "rw-s", gone, FRAME_HEAP, false, CATEGORY_LIBRARY},
		{CATEGORY_ANON_RW, "rw-p", NULL, FRAME_HEAP, true, CATEGORY_RUNTIME_HEAP},
		{CATEGORY_NAMED, "rw-s", "[anon_shmem: cache]", FRAME_HEAP, false, CATEGORY_NAMED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trace *trace = trace__new();
		struct callsite *site = site_for(rows[i].use, false);
		struct part part = {
			.trace = trace, .category = rows[i].before, .name = rows[i].name};

		memcpy(part.perms, rows[i].perms, sizeof(part.perms));
		site->private_only = rows[i].private_only;
		answer(trace, site);
		parts__resolve(&part, 1);
		assert_int_equal(part.category, rows[i].after);
		trace__unref(trace);
	}
}

/* Faults extend it downwards, and no event says so. */
static void test_grows_down(void **state)
{
	struct fixture *f = *state;
	const struct part *p;

	add_vma(f, 10, 20, VMA_ANON, NULL, 0, 4)->flags = VMA_GROWS_DOWN;
	put(f, 16, 20, f->a, NULL);
	p = join(f, 1);
	assert_int_equal(p[0].origin, ORIGIN_MMAP);
	assert_int_equal(p[0].start, 10 * PAGE);
}

/* It is called as its lowest range. The property test's, seed 766488592: of what was there only the
 * name of a part was seen, and what is below that may be called otherwise. */
static void test_names_grow_down(void **state)
{
	struct fixture *f = *state;
	struct record *unknown = record__new(ORIGIN_UNKNOWN, 1, NULL, NULL, NULL);
	const struct part *p;

	add_vma(f, 10, 20, VMA_ANON, NULL, 0, 0)->flags = VMA_GROWS_DOWN;
	add_vma(f, 30, 40, VMA_ANON, NULL, 0, 0)->flags = VMA_GROWS_DOWN;
	put(f, 16, 18, f->a, "low");
	put(f, 18, 20, f->a, NULL);
	put(f, 36, 38, unknown, "part");
	record__unref(unknown);
	p = join(f, 5);
	assert_int_equal(p[0].start, 10 * PAGE);
	assert_string_equal(p[0].name, "[anon: low]");
	assert_null(p[1].name);
	assert_int_equal(p[2].end, 36 * PAGE);
	assert_null(p[2].name);
	assert_string_equal(p[3].name, "[anon: part]");
}

static void test_strays(void **state)
{
	struct fixture *f = *state;

	add_vma(f, 10, 20, VMA_ANON, NULL, 0, 4);
	add_vma(f, 30, 40, VMA_ANON, NULL, 0, 4);
	put(f, 12, 20, f->a, NULL);
	assert_false(join__has_unmapped_ranges(&f->set, &f->ledger));
	put(f, 18, 31, f->b, NULL);
	assert_true(join__has_unmapped_ranges(&f->set, &f->ledger));
	ledger__erase(&f->ledger, f->pool, 0, 30 * PAGE);
	assert_false(join__has_unmapped_ranges(&f->set, &f->ledger));
	put(f, 50, 51, f->b, NULL);
	assert_true(join__has_unmapped_ranges(&f->set, &f->ledger));
}

/* Whatever the figures, parts add up to the VMA and none is negative. */
static void test_shares_always_add_up(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 20000; round++) {
		struct share shares[5] = {0}, sum = {0};
		struct vma vma = {0};
		size_t n = 1 + rand_r(&seed) % ARRAY_SIZE(shares);
		uint64_t pages, size = 0;

		for (size_t i = 0; i < n; i++) {
			shares[i].size = (1 + rand_r(&seed) % 50) * PAGE;
			shares[i].resident = rand_r(&seed) % (shares[i].size / PAGE + 1) * PAGE;
			shares[i].swapped = rand_r(&seed) %
					    ((shares[i].size - shares[i].resident) / PAGE + 1) *
					    PAGE;
			size += shares[i].size;
		}
		pages = rand_r(&seed) % (size / PAGE + 1);
		vma.rss = pages * PAGE;
		vma.private_dirty = pages ? rand_r(&seed) % (pages + 1) * PAGE : 0;
		vma.pss = pages ? rand_r(&seed) % (vma.rss + 1) : 0;
		vma.swap = rand_r(&seed) % ((size - vma.rss) / PAGE + 1) * PAGE;
		if (round % 8 == 0 && vma.rss) { /* a VMA that was torn has any number of bytes */
			vma.rss -= rand_r(&seed) % PAGE;
			vma.private_dirty = vma.pss = 0;
		}
		share__vma(&vma, PAGE, rand_r(&seed) % 4, shares, n);
		for (size_t i = 0; i < n; i++) {
			assert_true(shares[i].private_ <= shares[i].rss);
			assert_true(shares[i].rss + shares[i].swap <= shares[i].size);
			sum.rss += shares[i].rss;
			sum.pss += shares[i].pss;
			sum.private_ += shares[i].private_;
			sum.shared += shares[i].shared;
			sum.swap += shares[i].swap;
		}
		assert_int_equal(sum.rss, vma.rss);
		assert_int_equal(sum.pss, vma.pss);
		assert_int_equal(sum.private_, vma.private_dirty);
		assert_int_equal(sum.shared, vma.rss - vma.private_dirty);
		assert_int_equal(sum.swap, vma.swap);
	}
}

#define NO_PAGES (UNKNOWN_BYTES / PAGE)

static void assert_kind(const struct part *parts, enum page_kind kind, uint64_t a, uint64_t b,
			uint64_t c)
{
	const uint64_t expected[] = {a, b, c};

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		uint64_t bytes = parts[i].kinds.bytes[kind];

		assert_int_equal(bytes == UNKNOWN_BYTES ? NO_PAGES : bytes / PAGE, expected[i]);
	}
}

/* The kernel tells kinds of pages for the VMA: of a part they are counted, follow, or are not
 * known. */
static void test_kinds_of_pages(void **state)
{
	static const uint64_t resident[] = {512, 0, 100}, huge[] = {512, 0, 0};
	static const uint64_t hugetlb[] = {1024, 0, 512};
	struct fixture *f = *state;
	const struct part *parts;
	struct vma *vma = add_vma(f, 0x1000, 0x1c00, VMA_ANON, NULL, 0, 612);

	put(f, 0x1000, 0x1400, f->a, NULL);
	put(f, 0x1800, 0x1c00, f->b, NULL);
	vma->kinds.bytes[PAGES_ANON_HUGE] = 512 * PAGE;
	vma->kinds.bytes[PAGES_LAZYFREE] = 50 * PAGE;
	vma->kinds.bytes[PAGES_KSM] = UNKNOWN_BYTES;
	f->resident = resident;
	f->huge = huge;
	parts = join(f, 3);
	assert_kind(parts, PAGES_HUGETLB, 0, 0, 0);
	assert_kind(parts, PAGES_ANON_HUGE, 512, 0, 0);
	assert_kind(parts, PAGES_LAZYFREE, NO_PAGES, 0, NO_PAGES);
	assert_kind(parts, PAGES_KSM, NO_PAGES, NO_PAGES, NO_PAGES);

	/* All that is resident is of the kind. */
	f->asked = 0;
	vma->kinds.bytes[PAGES_LAZYFREE] = 612 * PAGE;
	part_list__free(&f->parts);
	assert_kind(join(f, 3), PAGES_LAZYFREE, 512, 0, 100);

	/* More huge pages than the kernel said: some came meanwhile. */
	f->asked = 0;
	vma->kinds.bytes[PAGES_ANON_HUGE] = 511 * PAGE;
	part_list__free(&f->parts);
	assert_kind(join(f, 3), PAGES_ANON_HUGE, NO_PAGES, 0, NO_PAGES);

	/* Of pages that could not be counted nothing follows. */
	f->resident = NULL;
	part_list__free(&f->parts);
	assert_kind(join(f, 3), PAGES_LAZYFREE, NO_PAGES, NO_PAGES, NO_PAGES);

	/* hugetlb's pages are counted as others, and are not in Rss. */
	f->asked = 0;
	f->resident = hugetlb;
	vma->rss = vma->pss = vma->private_dirty = 0;
	memset(&vma->kinds, 0, sizeof(vma->kinds));
	vma->private_hugetlb = vma->kinds.bytes[PAGES_HUGETLB] = 1536 * PAGE;
	part_list__free(&f->parts);
	parts = join(f, 3);
	assert_kind(parts, PAGES_HUGETLB, 1024, 0, 512);
	assert_int_equal(parts[0].rss + parts[2].rss, 0);

	/* Unless they are others by now. */
	f->asked = 0;
	vma->private_hugetlb = vma->kinds.bytes[PAGES_HUGETLB] = 1024 * PAGE;
	part_list__free(&f->parts);
	assert_kind(join(f, 3), PAGES_HUGETLB, NO_PAGES, NO_PAGES, NO_PAGES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_merged_vma),
		TEST(test_estimates_add_up),
		TEST(test_evidence),
		TEST(test_names),
		TEST(test_names_that_the_kernel_has),
		TEST(test_grows_down),
		TEST(test_names_grow_down),
		TEST(test_thread_stack),
		TEST(test_strays),
		TEST(test_kinds_of_pages),
		TEST(test_what_was_reserved),
		TEST(test_memory_of_all_kinds),
		cmocka_unit_test(test_shares_always_add_up),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
