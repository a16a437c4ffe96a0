// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "live/bundle.h"
#include "proc/memory.h"

#define SIZE  (BUNDLE_BYTES / 8)
#define MANY  64
#define SLACK (2 << 20) /* bytes: what statm may be wrong by, before Linux 6.17 */

static struct spare spare;

struct piece {
	char *at;
	struct bundle *bundle;
};

static struct piece cut(struct bundle **open, size_t size, int content)
{
	struct piece piece;

	piece.at = bundle__cut(&spare, open, size, &piece.bundle);
	assert_non_null(piece.at);
	assert_int_equal((uintptr_t)piece.at % 8, 0);
	memset(piece.at, content, size);
	return piece;
}

static void assert_untouched(const struct piece *piece, size_t size, int content)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal((unsigned char)piece->at[i], content);
}

/* Eight pieces to a bundle; each bundle goes with its last piece, in whatever order they go. */
static void test_a_bundle_goes_with_its_last_piece(void **state)
{
	static const unsigned order[] = {3, 0, 8, 7, 1, 2, 9, 6, 15, 5, 4, 10, 11, 12, 13, 14, 16};
	static const unsigned last[] = {4, 14, 16};
	struct bundle *open = NULL;
	struct piece pieces[17];

	for (unsigned i = 0; i < 17; i++)
		pieces[i] = cut(&open, SIZE, i);
	assert_ptr_equal(open, pieces[16].bundle);
	assert_ptr_equal(pieces[0].bundle, pieces[7].bundle);
	assert_ptr_not_equal(pieces[7].bundle, pieces[8].bundle);
	for (unsigned i = 0, bundles = 0; i < 17; i++) {
		unsigned n = order[i];
		size_t gone;

		assert_untouched(&pieces[n], SIZE, n);
		gone = bundle__put(&spare, pieces[n].bundle);
		if (n == last[bundles])
			assert_int_equal(gone, bundles++ < 2 ? BUNDLE_BYTES : SIZE);
		else
			assert_int_equal(gone, 0);
		assert_ptr_equal(open, i < 16 ? pieces[16].bundle : NULL);
	}
}

/* What had room left is still cut from when other pieces of it have gone. */
static void test_an_open_bundle_is_filled(void **state)
{
	struct bundle *open = NULL;
	struct piece a = cut(&open, 64, 1), b = cut(&open, 8, 2), c;

	assert_int_equal(bundle__put(&spare, a.bundle), 0);
	c = cut(&open, SIZE, 3);
	assert_ptr_equal(c.bundle, b.bundle);
	assert_untouched(&b, 8, 2);
	assert_int_equal(bundle__put(&spare, b.bundle), 0);
	assert_int_equal(bundle__put(&spare, c.bundle), 64 + 8 + SIZE);
	assert_null(open);
}

/* The process has gone, and with it the place where the bundle was noted; the stacks wait on. */
static void test_pieces_outlive_the_place(void **state)
{
	struct bundle *open = NULL;
	struct piece old = cut(&open, SIZE, 1), young;

	bundle__detach(&open);
	assert_null(open);
	bundle__detach(&open);
	young = cut(&open, SIZE, 2);
	assert_ptr_not_equal(old.bundle, young.bundle);
	assert_untouched(&old, SIZE, 1);
	assert_int_equal(bundle__put(&spare, old.bundle), SIZE);
	assert_ptr_equal(open, young.bundle);
	assert_int_equal(bundle__put(&spare, young.bundle), SIZE);
}

/* Bundles that have gone are used again, some of them. */
static void test_bundles_are_spared(void **state)
{
	struct bundle *open[SPARE_MAX + 1] = {}, *again = NULL;
	struct piece pieces[SPARE_MAX + 1], piece;

	spare__free(&spare);
	for (int i = 0; i < SPARE_MAX + 1; i++)
		pieces[i] = cut(&open[i], SIZE, i);
	for (int i = 0; i < SPARE_MAX + 1; i++)
		assert_int_equal(bundle__put(&spare, pieces[i].bundle), SIZE);
	assert_int_equal(spare.n, SPARE_MAX);
	piece = cut(&again, SIZE, 1);
	assert_ptr_equal(piece.bundle, pieces[SPARE_MAX - 1].bundle);
	assert_int_equal(spare.n, SPARE_MAX - 1);
	assert_int_equal(bundle__put(&spare, piece.bundle), SIZE);
	spare__free(&spare);
	assert_int_equal(spare.n, 0);
}

static uint64_t resident(void)
{
	struct proc_memory memory;

	assert_int_equal(procfs__memory_of("/proc", getpid(), &memory), 0);
	return memory.rss;
}

/* Whatever malloc is told to keep, as the daemon does, and what else is made meanwhile. */
static void test_memory_goes_back_to_the_kernel(void **state)
{
	struct bundle *open[MANY] = {};
	struct piece pieces[MANY];
	void *between[MANY];
	uint64_t before;

	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	before = resident();
	for (int i = 0; i < MANY; i++) {
		pieces[i] = cut(&open[i], 64, i);
		between[i] = malloc(64);
	}
	assert_in_range(resident() - before, 0, MANY * 16 * 1024 + SLACK);
	for (int i = 0; i < MANY; i++)
		bundle__put(&spare, pieces[i].bundle);
	for (int i = 0; i < MANY; i++)
		pieces[i] = cut(&open[i], BUNDLE_BYTES / 2, i);
	assert_true(resident() > before + MANY * (uint64_t)BUNDLE_BYTES / 2);
	for (int i = 0; i < MANY; i++)
		bundle__put(&spare, pieces[i].bundle);
	assert_true(resident() < before + SPARE_MAX * BUNDLE_BYTES + SLACK);
	for (int i = 0; i < MANY; i++)
		free(between[i]);
}

/* A bundle that was full before is not in the way of one that holds little. */
static void test_a_spared_bundle_is_small(void **state)
{
	struct bundle *open[MANY] = {};
	struct piece pieces[MANY];
	uint64_t before = resident();

	for (int i = 0; i < MANY; i++) {
		struct bundle *full = NULL;
		struct piece large = cut(&full, BUNDLE_BYTES / 2, i);

		bundle__put(&spare, large.bundle);
		pieces[i] = cut(&open[i], 64, i);
		assert_ptr_equal(pieces[i].bundle, large.bundle);
	}
	assert_true(resident() < before + MANY * (80 << 10) + SLACK);
	for (int i = 0; i < MANY; i++)
		bundle__put(&spare, pieces[i].bundle);
}

static int let_go(void **state)
{
	spare__free(&spare);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bundle_goes_with_its_last_piece),
		cmocka_unit_test(test_an_open_bundle_is_filled),
		cmocka_unit_test(test_pieces_outlive_the_place),
		cmocka_unit_test(test_bundles_are_spared),
		cmocka_unit_test(test_memory_goes_back_to_the_kernel),
		cmocka_unit_test(test_a_spared_bundle_is_small),
	};

	return cmocka_run_group_tests_name("bundle", tests, NULL, let_go);
}
