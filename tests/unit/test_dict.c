// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/dict.h"

#define MANY 10000

struct entry {
	uint64_t value; /* this and the next are the key */
	uint32_t parent;
	uint32_t n;
};

static uint64_t hash(const void *a, uint64_t secret)
{
	const struct entry *entry = a;

	return dict__mix(dict__mix(secret, entry->value), entry->parent);
}

static bool same(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->value == y->value && x->parent == y->parent;
}

static const struct dict_type by_key = {sizeof(struct entry), hash, same};

#define _cleanup_dict_ __attribute__((cleanup(dict__free)))

/* What dict and array ask for memory with. */
static bool no_memory;

void *reallocarray(void *p, size_t n, size_t size)
{
	return no_memory ? NULL : realloc(p, n * size);
}

static struct entry *add(struct dict *dict, struct entry entry)
{
	assert_null(dict__find(dict, &entry));
	return dict__add(dict, &entry);
}

static void assert_has(const struct dict *dict, struct entry entry)
{
	const struct entry *found = dict__find(dict, &entry);

	assert_non_null(found);
	assert_int_equal(found->value, entry.value);
	assert_int_equal(found->parent, entry.parent);
	assert_int_equal(found->n, entry.n);
}

static void test_each_key_has_its_entry(void **state)
{
	_cleanup_dict_ struct dict dict = {.type = &by_key};
	const struct entry *entries;

	for (uint32_t i = 0; i < MANY; i++) {
		assert_non_null(add(&dict, (struct entry){i / 2, i % 2, i}));
		assert_has(&dict, (struct entry){i / 2, i % 2, i});
	}
	assert_int_equal(dict.n, MANY);
	entries = dict.entries;
	for (uint32_t i = 0; i < MANY; i++) {
		assert_has(&dict, (struct entry){i / 2, i % 2, i});
		assert_int_equal(entries[i].n, i);
		assert_null(dict__find(&dict, &(struct entry){i / 2, 2 + i % 2, 0}));
	}
	dict__free(&dict);
	assert_int_equal(dict.n, 0);
	assert_null(dict__find(&dict, &(struct entry){}));
	assert_non_null(add(&dict, (struct entry){1, 1, 1}));
	assert_has(&dict, (struct entry){1, 1, 1});
}

/* Of the longest row of slots that are taken, which is what finding a key may have to walk. */
static size_t longest_row(const struct dict *dict)
{
	size_t longest = 0, row = 0;

	for (size_t i = 0; i < dict->n_slots; i++) {
		row = dict->slots[i] ? row + 1 : 0;
		if (row > longest)
			longest = row;
	}
	return longest;
}

/* Keys as addresses are: alike in most of their bits, the same in the lowest or the highest. Of
 * 10,000 in 16,384 slots the longest row is some 100 slots when they lie by chance. */
static void test_similar_keys_lie_apart(void **state)
{
	static const uint64_t steps[] = {1, 8, 64, 4096, 1 << 21, 1ULL << 32, 1ULL << 50};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_dict_ struct dict by_value = {.type = &by_key},
					   by_parent = {.type = &by_key};

		for (uint32_t n = 0; n < MANY; n++) {
			add(&by_value, (struct entry){0x7f0000000000 + n * steps[i], 1, n});
			add(&by_parent, (struct entry){0x7f0000000000 + n % 8 * steps[i], n, n});
		}
		assert_in_range(longest_row(&by_value), 1, 500);
		assert_in_range(longest_row(&by_parent), 1, 500);
	}
}

/* Little of it lies idle, also of a small one. */
static void test_it_takes_little_memory(void **state)
{
	_cleanup_dict_ struct dict dict = {.type = &by_key};

	for (uint32_t n = 1; n <= MANY; n++) {
		add(&dict, (struct entry){n, 0, n});
		if (n >= 8)
			assert_in_range(dict.room, n, n + n / 2);
		if (n >= 12)
			assert_in_range(dict.n_slots, n, 3 * n);
	}
}

static void test_without_memory_it_stays_as_it_was(void **state)
{
	_cleanup_dict_ struct dict dict = {.type = &by_key};
	uint32_t refused = 0;

	for (uint32_t n = 0; n < MANY; n++) {
		size_t had = dict.n;

		no_memory = true;
		if (!add(&dict, (struct entry){n, 0, n})) {
			assert_int_equal(dict.n, had);
			for (uint32_t i = 0; i < n; i++)
				assert_has(&dict, (struct entry){i, 0, i});
			refused++;
			no_memory = false;
			assert_non_null(add(&dict, (struct entry){n, 0, n}));
		}
		no_memory = false;
	}
	assert_int_equal(dict.n, MANY);
	assert_in_range(refused, 2, 100);
}

static bool has_odd_value(void *entry, void *ctx)
{
	++*(size_t *)ctx;
	return ((struct entry *)entry)->value % 2;
}

static void test_what_is_not_wanted_goes(void **state)
{
	_cleanup_dict_ struct dict dict = {.type = &by_key};
	size_t asked = 0;

	dict__keep(&dict, has_odd_value, &asked);
	assert_int_equal(asked, 0);
	for (uint32_t n = 0; n < MANY; n++)
		add(&dict, (struct entry){n, 0, n});
	no_memory = true;
	dict__keep(&dict, has_odd_value, &asked);
	no_memory = false;
	assert_int_equal(asked, MANY);
	assert_int_equal(dict.n, MANY / 2);
	for (uint32_t n = 0; n < MANY; n += 2) {
		assert_null(dict__find(&dict, &(struct entry){n, 0, 0}));
		assert_has(&dict, (struct entry){n + 1, 0, n + 1});
	}
	assert_non_null(add(&dict, (struct entry){0, 0, 7}));
	assert_has(&dict, (struct entry){0, 0, 7});
}

/* Each text and length has a hash of its own, and no byte behind the end counts. */
static void test_texts(void **state)
{
	static const char *const texts[] = {
		NULL, "", "a", "b", "aaaaaaa", "aaaaaaaa", "aaaaaaaaa", "aaaaaaaab", "baaaaaaaa",
	};
	char other[] = "aaaaaaaaa\0b";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			assert_int_equal(dict__mix_text(1, texts[i]) == dict__mix_text(1, texts[j]),
					 i == j);
	}
	assert_true(dict__mix_text(1, other) == dict__mix_text(1, texts[6]));
	assert_true(dict__mix_text(1, "a") != dict__mix_text(2, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_has_its_entry),
		cmocka_unit_test(test_similar_keys_lie_apart),
		cmocka_unit_test(test_it_takes_little_memory),
		cmocka_unit_test(test_without_memory_it_stays_as_it_was),
		cmocka_unit_test(test_what_is_not_wanted_goes),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("dict", tests, NULL, NULL);
}
