// SPDX-License-Identifier: BSD-2-Clause
/* How resident bytes are distributed over samples of first touches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../property/rng.h"
#include "made_sites.h"
#include "proc/pagemap.h"
#include "reconcile/touched.h"
#include "util/cleanup.h"

#define PAGE  4096ULL
#define SITES 3

struct sums {
	uint64_t rss[SITES]; /* of A, B, C */
	double variance[SITES];
	uint64_t samples[SITES];
	uint64_t nobody;
	uint64_t all;
};

struct fixture {
	struct callsite *sites[SITES];
	struct trace *traces[SITES + 1]; /* the last one waits */
	struct touches touches;
	struct touch_list list;
	struct sums sums;
	uint8_t states[4096]; /* by page */
	uint64_t now;
	uint64_t forked_ns;
	bool several;
};

static int set_up(void **state)
{
	static const char *const names[SITES] = {"a", "b", "c"};
	struct fixture *f = calloc(1, sizeof(*f));

	for (int i = 0; i < SITES; i++) {
		const struct frame frame = {.function = names[i]};

		f->sites[i] = make_site(&frame, 1, false);
		f->traces[i] = trace__new();
		trace__resolve(f->traces[i], f->sites[i]);
	}
	f->traces[SITES] = trace__new();
	memset(f->states, PAGE_RESIDENT, sizeof(f->states));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	touch_list__free(&f->list);
	touches__free(&f->touches);
	for (int i = 0; i <= SITES; i++)
		trace__unref(f->traces[i]);
	for (int i = 0; i < SITES; i++)
		callsite__unref(f->sites[i]);
	free(f);
	return 0;
}

static int look(const uint64_t *pages, size_t n, uint8_t *ret_states, void *ctx)
{
	struct fixture *f = ctx;

	for (size_t i = 0; i < n; i++) {
		assert_true(!i || pages[i] > pages[i - 1]);
		ret_states[i] = f->states[pages[i] / PAGE];
	}
	return 0;
}

static void touch(struct fixture *f, uint64_t page, int who, uint32_t faults)
{
	struct touch touch = {.addr = page * PAGE,
			      .trace = f->traces[who],
			      .when_ns = ++f->now,
			      .faults = faults};

	touches__add(&f->touches, &touch, 0);
}

static int add(const struct part *part, const struct touch_share *share, void *ctx)
{
	struct sums *sums = ctx;
	int i = 0;

	sums->all += share->rss;
	if (!share->site) {
		sums->nobody += share->rss;
		return 0;
	}
	while (strcmp(share->site->frames[0]->function, (char[]){'a' + i, 0}))
		i++;
	sums->rss[i] += share->rss;
	sums->variance[i] += share->variance;
	sums->samples[i] += share->samples;
	return 0;
}

static void share(struct fixture *f, struct part *parts, size_t n)
{
	const struct touch_reading reading = {.touches = &f->touches,
					      .forked_ns = f->forked_ns,
					      .parts = parts,
					      .n_parts = n,
					      .page_size = PAGE,
					      .several = f->several,
					      .look = look,
					      .ctx = f};
	uint64_t rss = 0;

	f->sums = (struct sums){};
	for (size_t i = 0; i < n; i++)
		parts[i].touch_samples = 0;
	assert_int_equal(touch_list__make(&reading, &f->list), 0);
	for (size_t i = 0; i < n; i++)
		rss += parts[i].is_memory ? parts[i].rss : 0;
	assert_int_equal(touched__share_out(parts, n, &f->list, PAGE, add, &f->sums), 0);
	assert_int_equal(f->sums.all, rss);
}

static struct part part(uint64_t lo, uint64_t hi, uint64_t resident)
{
	return (struct part){.start = lo * PAGE,
			     .end = hi * PAGE,
			     .rss = resident * PAGE,
			     .perms = "rw-p",
			     .category = CATEGORY_ANON_RW,
			     .coverage = COVERAGE_ATTRIBUTED,
			     .is_memory = true};
}

#define assert_sums(f, a, b, c, none)                                                              \
	do {                                                                                       \
		assert_int_equal((f)->sums.rss[0], (a)*PAGE);                                      \
		assert_int_equal((f)->sums.rss[1], (b)*PAGE);                                      \
		assert_int_equal((f)->sums.rss[2], (c)*PAGE);                                      \
		assert_int_equal((f)->sums.nobody, (none)*PAGE);                                   \
	} while (0)

/* A page that is not resident has no sample; what all pages tell has no error. */
static void test_each_page_has_its_sample(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(10, 20, 4), part(30, 40, 2)};

	for (int i = 0; i < 4; i++)
		touch(f, 10 + i, i % 2, 1);
	touch(f, 14, 2, 1);
	f->states[14] = PAGE_ABSENT;
	touch(f, 25, 2, 1); /* between the two */
	touch(f, 30, 1, 1);
	touch(f, 31, 1, 1);
	share(f, parts, 2);
	assert_sums(f, 2, 4, 0, 0);
	assert_int_equal(parts[0].touch_samples, 4);
	assert_int_equal(parts[1].touch_samples, 2);
	assert_int_equal(f->list.n_gone, 1);
	assert_int_equal(f->list.gone[0], 14 * PAGE);
	for (int i = 0; i < SITES; i++)
		assert_true(f->sums.variance[i] == 0);
}

/* Of private memory a child has its parent's pages; of shared memory those that it touches. */
static void test_a_childs_shared_memory_is_its_own(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(10, 20, 4), part(30, 40, 4)};

	strcpy(parts[1].perms, "rw-s");
	for (int i = 0; i < 4; i++)
		touch(f, 10 + i, 0, 1);
	touch(f, 30, 0, 1);
	touch(f, 31, 0, 1);
	f->forked_ns = ++f->now;
	touch(f, 32, 1, 1);
	share(f, parts, 2);
	assert_sums(f, 4, 4, 0, 0);
	assert_int_equal(f->list.n_gone, 2);
	assert_int_equal(f->list.gone[0], 30 * PAGE);
	assert_int_equal(f->list.gone[1], 31 * PAGE);
}

/* By weight, and the errors are what such samples err by: 16 of 4 pages each, a quarter of them
 * one site's, tell its share with (64² - 64 * 16) / 64² * (5 / 18 * 13 / 18) / 16. */
static void test_samples_count_by_weight(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(0, 64, 64)};
	double expected = 64. * PAGE * 64 * PAGE * 0.75 / 16 * 5 / 18 * 13 / 18;

	for (int i = 0; i < 16; i++)
		touch(f, i * 4, i % 4 == 0, 4);
	share(f, parts, 1);
	assert_sums(f, 48, 16, 0, 0);
	assert_true(fabs(f->sums.variance[1] / expected - 1) < 1e-9);
}

static void test_what_no_sample_tells_is_nobodys(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {
		part(0, 10, 8), /* older than we are: 2 of its pages were touched since */
		part(10, 500,
		     400), /* populated by the kernel: far too large to have none by chance */
		part(500, 600, 60), /* file */
		part(600, 700, 10), /* what touched it is not known yet */
		part(700, 720, 0),
	};

	parts[0].coverage = COVERAGE_PREDATES;
	parts[2].is_memory = false;
	touch(f, 3, 0, 1);
	touch(f, 5, 1, 1);
	touch(f, 550, 2, 1);
	touch(f, 650, SITES, 1);
	for (int i = 0; i < 9; i++)
		touch(f, 660 + i, 0, 1);
	share(f, parts, 5);
	assert_sums(f, 1 + 9, 1, 0, 6 + 400 + 1);
	assert_true(touch_samples__wait(f->list.samples, f->list.n));
	/* Shared memory with samples is tmpfs'. */
	parts[2].category = CATEGORY_OTHER_FILE;
	parts[2].perms[3] = 's';
	trace__resolve(f->traces[SITES], NULL);
	share(f, parts, 5);
	assert_sums(f, 1 + 9, 1, 60, 6 + 400 + 1);
	assert_false(touch_samples__wait(f->list.samples, f->list.n));
}

/* 64 samples of 4 faults each tell of 256 pages, and by chance of 256 + 3 * 27. More has come in
 * some other way, unless a fault may bring several pages, or nothing says how many are huge. */
static void test_what_came_without_faults_is_nobodys(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(0, 2048, 256 + 80)};

	for (int i = 0; i < 64; i++)
		touch(f, i * 4, i % 4 == 0, 4);
	share(f, parts, 1);
	assert_sums(f, 252, 84, 0, 0);
	parts[0].rss = (256 + 90) * PAGE;
	share(f, parts, 1);
	assert_sums(f, 192, 64, 0, 90);
	assert_true(f->sums.variance[1] > 0);
	f->several = true;
	share(f, parts, 1);
	assert_int_equal(f->sums.nobody, 0);
	f->several = false;
	parts[0].kinds.bytes[PAGES_ANON_HUGE] = UNKNOWN_BYTES;
	share(f, parts, 1);
	assert_int_equal(f->sums.nobody, 0);
	parts[0].kinds.bytes[PAGES_ANON_HUGE] = 0;
	strcpy(parts[0].perms, "rw-s");
	share(f, parts, 1);
	assert_int_equal(f->sums.nobody, 0);
}

/* One fault brings a huge page. Where several were sampled in one, it has become one since. */
static void test_huge_pages_count_with_their_size(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(512, 512 * 5, 512 * 3 + 10)};

	touch(f, 512 * 1 + 7, 0, 1);
	touch(f, 512 * 2 + 400, 1, 1);
	touch(f, 512 * 3, 0, 256);
	touch(f, 512 * 3 + 300, 1, 256);
	for (int i = 0; i < 10; i++)
		touch(f, 512 * 4 + i, 2, 1);
	memset(f->states + 512, PAGE_RESIDENT_HUGE, 512 * 3);
	share(f, parts, 1);
	assert_sums(f, 512 + 256, 512 + 256, 10, 0);
	/* Where the kernel does not say which: all are, or it is not known. */
	memset(f->states, PAGE_RESIDENT, sizeof(f->states));
	parts[0] = part(512, 512 * 3, 512 * 2);
	parts[0].kinds.bytes[PAGES_ANON_HUGE] = parts[0].rss;
	share(f, parts, 1);
	assert_int_equal(f->list.samples[0].pages, 512);
	parts[0].kinds.bytes[PAGES_ANON_HUGE] = UNKNOWN_BYTES;
	share(f, parts, 1);
	assert_int_equal(f->list.samples[0].pages, 1);
	assert_sums(f, 512, 512, 0, 0);
}

/* A heap that grew by 32 pages a time has parts with one sample of 64 pages, and parts with none.
 */
static void test_small_parts_are_told_together(void **state)
{
	struct fixture *f = *state;
	struct part parts[64];

	for (unsigned i = 0; i < 64; i++) {
		parts[i] = part(i * 40, i * 40 + 32, 32);
		if (i % 2)
			touch(f, i * 40 + 5, i % 8 == 1, 64);
	}
	share(f, parts, 64);
	assert_sums(f, 64 * 32 * 3 / 4, 64 * 32 / 4, 0, 0);
	assert_int_equal(f->sums.samples[0] + f->sums.samples[1], 32);
	/* Of each category by itself. */
	for (int i = 32; i < 64; i++)
		parts[i].category = CATEGORY_RUNTIME_HEAP;
	share(f, parts, 64);
	assert_sums(f, 64 * 32 * 3 / 4, 64 * 32 / 4, 0, 0);
	/* More than so few samples stand for has come in another way. */
	for (int i = 0; i < 64; i++)
		parts[i].rss = 200 * PAGE;
	touches__free(&f->touches);
	touch(f, 5, 0, 64);
	share(f, parts, 32);
	assert_sums(f, 64 + 2 * 64, 0, 0, 32 * 200 - 3 * 64);
}

/* Any parts, any samples: what share() asserts. */
static void test_shares_add_up(void **state)
{
	struct fixture *f = *state;
	uint64_t random = 3;

	for (int round = 0; round < 300; round++) {
		struct part parts[40];
		unsigned at = 0;

		touches__free(&f->touches);
		for (int i = 0; i < 40; i++) {
			unsigned len = 1 + rng__below(&random, 90);

			at += rng__below(&random, 10);
			parts[i] = part(at, at + len, 0);
			parts[i].rss = rng__below(&random, len * PAGE + 1);
			parts[i].coverage = rng__below(&random, COVERAGES);
			parts[i].exec_seen = rng__below(&random, 2);
			parts[i].category = rng__below(&random, CATEGORIES);
			parts[i].is_memory = rng__below(&random, 8);
			at += len;
		}
		for (unsigned i = 0; i < 4096; i++)
			f->states[i] = rng__below(&random, 3);
		for (unsigned i = rng__below(&random, 2000); i; i--)
			touch(f, rng__below(&random, at), rng__below(&random, 4),
			      1u << rng__below(&random, rng__below(&random, 17) + 1));
		share(f, parts, 40);
	}
}

/* The errors that are told are the errors that are made: of 400 populations of 4,096 pages, each
 * sampled by chance, about 68 % are within one standard error, and nearly all within three. */
static void test_errors_are_what_they_say(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(0, 4096, 4096)};
	unsigned within_one = 0, within_three = 0;
	uint64_t random = 5;

	for (int round = 0; round < 400; round++) {
		unsigned truth = 0;
		double off;

		touches__free(&f->touches);
		for (unsigned page = 0; page < 4096; page++) {
			int who = rng__below(&random, 4) == 0;
			unsigned k = page < 512 ? 0 : page < 1024 ? 3 : 5;

			truth += who;
			if (!rng__below(&random, 1u << k))
				touch(f, page, who, 1u << k);
		}
		share(f, parts, 1);
		off = fabs((double)f->sums.rss[1] - truth * PAGE) / sqrt(f->sums.variance[1]);
		within_one += off < 1;
		within_three += off < 3;
	}
	assert_in_range(within_one, 400 * 60 / 100, 400 * 85 / 100);
	assert_in_range(within_three, 400 * 99 / 100, 400);
}

/* Where the kernel has said that all of it is there, without huge pages. The others' states come in
 * between. */
static void what_is_all_resident_is_not_looked_at(void **state)
{
	struct fixture *f = *state;
	struct part parts[] = {part(0, 8, 8), part(8, 16, 4), part(16, 24, 8), part(24, 32, 4)};

	memset(f->states, PAGE_ABSENT, sizeof(f->states));
	f->states[10] = f->states[25] = PAGE_RESIDENT;
	touch(f, 1, 0, 1);
	touch(f, 9, 1, 1);
	touch(f, 10, 1, 1);
	touch(f, 17, 0, 1);
	touch(f, 25, 2, 1);
	share(f, parts, ARRAY_SIZE(parts));
	assert_int_equal(f->list.n, 4);
	assert_int_equal(f->list.n_gone, 1);
	assert_int_equal(f->list.gone[0], 9 * PAGE);
	assert_int_equal(f->sums.samples[0], 2);
	assert_int_equal(f->sums.samples[1], 1);
	assert_int_equal(f->sums.samples[2], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_page_has_its_sample, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_samples_count_by_weight, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_no_sample_tells_is_nobodys, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_came_without_faults_is_nobodys, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_huge_pages_count_with_their_size, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_small_parts_are_told_together, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_childs_shared_memory_is_its_own, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_shares_add_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_all_resident_is_not_looked_at, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_errors_are_what_they_say, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
