// SPDX-License-Identifier: BSD-2-Clause
/* What is in a profile. That others can read it, tests/system/test_pprof.py shows with a reader of
 * its own and with go tool pprof. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "made_sites.h"
#include "profile.pb-c.h"
#include "report/encode.h"
#include "report/profile_rows.h"
#include "sample_report.h"
#include "util/cleanup.h"

static const struct encode_options defaults = {.top = 1};

static void free_report(struct report **report)
{
	report__free(*report);
}

static void free_profile(Pprof__Profile **profile)
{
	pprof__profile__free_unpacked(*profile, NULL);
}

#define _cleanup_report_  _cleanup_(free_report)
#define _cleanup_profile_ _cleanup_(free_profile)

static Pprof__Profile *decode(const struct buf *gzipped)
{
	_cleanup_free_ uint8_t *bytes = malloc(16 << 20);
	z_stream stream = {
		.next_in = (void *)gzipped->data,
		.avail_in = gzipped->len,
		.next_out = bytes,
		.avail_out = 16 << 20,
	};
	Pprof__Profile *profile;

	assert_int_equal(buf__error(gzipped), 0);
	assert_int_equal(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	profile = pprof__profile__unpack(NULL, stream.total_out, bytes);
	inflateEnd(&stream);
	assert_non_null(profile);
	return profile;
}

static Pprof__Profile *encode(const struct report *report, const struct encode_options *options)
{
	_cleanup_buf_ struct buf out = {};

	encode__pprof(report, options, &out);
	return decode(&out);
}

/* --- reports ------------------------------------------------------------------------------- */

static struct report *make_report(size_t n_parts, size_t n_sites)
{
	struct report *report = report__new();

	report->taken_at = 1795383067123456000ULL;
	report->pid = 4242;
	report->comm = "program";
	report->exe = "/bin/program";
	report->regions = arena__alloc(report->strings, (n_parts + 1) * sizeof(*report->regions));
	report->sites = arena__alloc(report->strings, (n_sites + 1) * sizeof(*report->sites));
	return report;
}

static struct callsite *add_site(struct report *report, const struct frame *frames, size_t n,
				 uint64_t rss)
{
	struct callsite *site = make_site(frames, n, false);

	assert_non_null(site);
	site->hash = report->n_sites;
	report->sites[report->n_sites++] = (struct site_row){.site = site, .rss = rss};
	assert_int_equal(report__number_sites(report), 0);
	return site;
}

static struct part *add_part(struct report *report, struct callsite *site, uint64_t rss)
{
	struct part *part = &report->regions[report->n_regions++];

	*part = (struct part){.start = 0x10000, .end = 0x10000 + 2 * rss, .rss = rss};
	part->callsite = site;
	report->totals.rss += rss;
	return part;
}

/* --- reading ------------------------------------------------------------------------------- */

static const char *text(const Pprof__Profile *profile, int64_t place)
{
	assert_in_range(place, 0, profile->n_string_table - 1);
	return profile->string_table[place];
}

static const char *label(const Pprof__Profile *profile, const Pprof__Sample *sample,
			 const char *key)
{
	for (size_t i = 0; i < sample->n_label; i++) {
		if (!strcmp(text(profile, sample->label[i]->key), key))
			return text(profile, sample->label[i]->str);
	}
	return NULL;
}

static const Pprof__Location *location(const Pprof__Profile *profile, uint64_t id)
{
	assert_in_range(id, 1, profile->n_location);
	assert_int_equal(profile->location[id - 1]->id, id);
	return profile->location[id - 1];
}

static const Pprof__Function *function(const Pprof__Profile *profile, uint64_t id)
{
	assert_in_range(id, 1, profile->n_function);
	assert_int_equal(profile->function[id - 1]->id, id);
	return profile->function[id - 1];
}

/* "innermost,inlined into|outer" of a sample, a word for each location. */
static void assert_stack(const Pprof__Profile *profile, const Pprof__Sample *sample,
			 const char *expected)
{
	_cleanup_buf_ struct buf found = {};

	for (size_t i = 0; i < sample->n_location_id; i++) {
		const Pprof__Location *at = location(profile, sample->location_id[i]);

		for (size_t j = 0; j < at->n_line; j++)
			buf__printf(
				&found, "%s%s",
				!i && !j ? ""
				: j	 ? ","
					 : "|",
				text(profile, function(profile, at->line[j]->function_id)->name));
	}
	assert_string_equal(found.data, expected);
}

static void assert_values(const Pprof__Sample *sample, int64_t objects, int64_t rss, int64_t mapped)
{
	assert_int_equal(sample->n_value, 4);
	assert_int_equal(sample->value[3], 0);
	assert_int_equal(sample->value[0], objects);
	assert_int_equal(sample->value[1], rss);
	assert_int_equal(sample->value[2], mapped);
}

/* --- tests --------------------------------------------------------------------------------- */

static const struct frame frames[] = {
	{.function = "mmap64", .module = "/lib/libc.so.6", .build_id = "c0ffee", .offset = 0x1234},
	{.function = "grow",
	 .file = "/src/grow.cc",
	 .line = 7,
	 .inlined = true,
	 .module = "/bin/program",
	 .build_id = "beef",
	 .offset = 0x500},
	{.function = "ingest",
	 .file = "/src/ingest.cc",
	 .line = 42,
	 .module = "/bin/program",
	 .build_id = "beef",
	 .offset = 0x500},
	{.module = "/bin/program", .build_id = "beef", .offset = 0x900},
	{.offset = 0x7f0000001000},
};

static void test_stacks(void **state)
{
	_cleanup_report_ struct report *report = make_report(9, 9);
	struct callsite *site = add_site(report, frames, ARRAY_SIZE(frames), 3 * MB);
	struct part *part = add_part(report, site, 3 * MB);
	_cleanup_profile_ Pprof__Profile *profile = NULL;
	const Pprof__Mapping *program;
	const Pprof__Location *place;

	part->given_name = "cache";
	snprintf(part->thread, sizeof(part->thread), "worker");
	profile = encode(report, &defaults);
	assert_int_equal(profile->n_sample, 1);
	assert_values(profile->sample[0], 1, 3 * MB, 6 * MB);
	assert_stack(profile, profile->sample[0],
		     "mmap64|grow,ingest|/bin/program+0x900|0x7f0000001000");
	assert_string_equal(label(profile, profile->sample[0], "region"), "cache");
	assert_string_equal(label(profile, profile->sample[0], "thread"), "worker");
	assert_string_equal(label(profile, profile->sample[0], "comm"), "program");
	assert_string_equal(label(profile, profile->sample[0], "pid"), "4242");
	assert_null(label(profile, profile->sample[0], "container"));

	/* The program comes first, whatever the stacks begin with. */
	assert_int_equal(profile->n_mapping, 2);
	program = profile->mapping[0];
	assert_string_equal(text(profile, program->filename), "/bin/program");
	assert_string_equal(text(profile, program->build_id), "beef");
	assert_true(program->has_functions && program->has_filenames);
	assert_true(program->has_line_numbers && program->has_inline_frames);
	assert_true(profile->mapping[1]->has_functions);
	assert_false(profile->mapping[1]->has_filenames || profile->mapping[1]->has_line_numbers);
	assert_false(profile->mapping[1]->has_inline_frames);
	assert_true(program->memory_limit <= profile->mapping[1]->memory_start);

	place = location(profile, profile->sample[0]->location_id[1]);
	assert_int_equal(place->mapping_id, 1);
	assert_int_equal(place->address, program->memory_start + 0x500);
	assert_int_equal(place->line[0]->line, 7);
	assert_int_equal(place->line[1]->line, 42);
	assert_string_equal(text(profile, function(profile, place->line[1]->function_id)->filename),
			    "/src/ingest.cc");
	place = location(profile, profile->sample[0]->location_id[3]);
	assert_int_equal(place->mapping_id, 0);
	assert_int_equal(place->address, 0x7f0000001000);
}

static void test_head(void **state)
{
	_cleanup_report_ struct report *report = make_report(0, 0);
	_cleanup_profile_ Pprof__Profile *profile = encode(report, &defaults);

	assert_string_equal(text(profile, 0), "");
	assert_int_equal(profile->n_sample, 0);
	assert_int_equal(profile->n_sample_type, 4);
	assert_string_equal(text(profile, profile->sample_type[3]->type), "touched_space");
	assert_string_equal(text(profile, profile->sample_type[3]->unit), "bytes");
	assert_string_equal(text(profile, profile->sample_type[0]->type), "inuse_objects");
	assert_string_equal(text(profile, profile->sample_type[0]->unit), "count");
	assert_string_equal(text(profile, profile->sample_type[1]->type), "inuse_space");
	assert_string_equal(text(profile, profile->sample_type[1]->unit), "bytes");
	assert_string_equal(text(profile, profile->sample_type[2]->type), "mapped_space");
	assert_string_equal(text(profile, profile->sample_type[2]->unit), "bytes");
	assert_string_equal(text(profile, profile->default_sample_type), "inuse_space");
	assert_int_equal(profile->time_nanos, 1795383067123456000ULL);
	assert_string_equal(text(profile, profile->mapping[0]->filename), "/bin/program");
}

/* One thing is there once, and one table of the profile is another's index. */
static void test_what_is_shared(void **state)
{
	_cleanup_report_ struct report *report = make_report(9, 9);
	_cleanup_profile_ Pprof__Profile *profile = NULL;
	struct frame other[ARRAY_SIZE(frames)];
	struct callsite *site, *copy;

	memcpy(other, frames, sizeof(frames));
	other[0].ip = 1; /* in another process, it lies elsewhere */
	other[2].line = 43;
	site = add_site(report, frames, ARRAY_SIZE(frames), MB);
	copy = add_site(report, other, ARRAY_SIZE(frames), MB);
	add_part(report, site, 1 * MB);
	add_part(report, site, 2 * MB);
	add_part(report, copy, 4 * MB);
	add_part(report, site, 8 * MB)->given_name = "elsewhere";
	profile = encode(report, &defaults);
	assert_int_equal(profile->n_sample, 3);
	assert_values(profile->sample[0], 1, 8 * MB, 16 * MB);
	assert_string_equal(label(profile, profile->sample[0], "region"), "elsewhere");
	assert_values(profile->sample[1], 1, 4 * MB, 8 * MB);
	assert_values(profile->sample[2], 2, 3 * MB, 6 * MB);
	assert_string_equal(label(profile, profile->sample[2], "region"), "[anonymous]");
	assert_null(label(profile, profile->sample[2], "thread"));
	assert_int_equal(profile->n_location, 5);
	assert_int_equal(profile->n_function, 5);
}

static void test_without_a_stack(void **state)
{
	static const char *const expected[COVERAGES] = {"[no stack]", "[predates tracing]",
							"[exec and kernel]", "[unknown]"};
	_cleanup_report_ struct report *report = make_report(9, 9);
	_cleanup_profile_ Pprof__Profile *profile = NULL;

	for (int i = 0; i < COVERAGES; i++)
		add_part(report, NULL, (9 - i) * MB)->coverage = i;
	profile = encode(report, &defaults);
	assert_int_equal(profile->n_sample, COVERAGES);
	for (int i = 0; i < COVERAGES; i++) {
		assert_stack(profile, profile->sample[i], expected[i]);
		assert_int_equal(profile->sample[i]->value[1], (9 - i) * MB);
	}
}

static void test_truncated_and_other(void **state)
{
	_cleanup_report_ struct report *report = make_report(9, 9);
	struct callsite *cut = add_site(report, frames, 1, MB);
	struct callsite *other = add_site(report, frames, 0, MB);
	_cleanup_profile_ Pprof__Profile *profile = NULL;

	cut->truncated = true;
	other->source = STACK_SOURCE_NONE;
	add_part(report, cut, 2 * MB);
	add_part(report, other, MB);
	profile = encode(report, &defaults);
	assert_stack(profile, profile->sample[0], "mmap64|[truncated]");
	assert_stack(profile, profile->sample[1], "[other call sites]");
}

static void test_small_call_sites(void **state)
{
	const struct encode_options options = {.top = 1, .min = 2 * MB};
	_cleanup_report_ struct report *report = make_report(9, 9);
	_cleanup_profile_ Pprof__Profile *profile = NULL;

	add_part(report, add_site(report, frames, 1, 2 * MB), 2 * MB);
	add_part(report, add_site(report, frames, 2, 2 * MB - 1), MB);
	profile = encode(report, &options);
	assert_stack(profile, profile->sample[0], "mmap64");
	assert_stack(profile, profile->sample[1], "[smaller call sites]");
	assert_int_equal(profile->sample[1]->value[1], MB);
}

static void test_hostile_names(void **state)
{
	static const struct {
		const char *name, *shown;
	} table[] = {
		{"\"quoted\\\" 'name'", "\"quoted\\\" 'name'"},
		{"two\nlines\r\t", "two\\nlines\\r\\t"},
		{"\xff\xc3(\xed\xa0\x80",
		 "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\x1b[2J\xc2\x9b", "\\x1b[2J\\u009b"},
		{"a\xe2\x80\xae"
		 "b",
		 "a\\u202eb"},
		{"na\xc3\xafve \xe2\x82\xac", "na\xc3\xafve \xe2\x82\xac"},
	};
	_cleanup_report_ struct report *report = make_report(9, 9);
	_cleanup_profile_ Pprof__Profile *profile = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct frame frame = {.function = table[i].name, .module = table[i].name};

		add_part(report, add_site(report, &frame, 1, MB), (9 - i) * MB)->given_name =
			table[i].name;
	}
	profile = encode(report, &defaults);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_string_equal(label(profile, profile->sample[i], "region"), table[i].shown);
		assert_stack(profile, profile->sample[i], table[i].shown);
	}
}

/* A broken file's addresses are wherever it says. */
static void test_addresses_are_in_their_mappings(void **state)
{
	static const struct frame far[] = {
		{.function = "a", .module = "/x", .offset = UINT64_MAX},
		{.function = "b", .module = "/x", .offset = 1ULL << 36},
		{.function = "c", .module = "/y", .offset = 0},
	};
	_cleanup_report_ struct report *report = make_report(9, 9);
	_cleanup_profile_ Pprof__Profile *profile = NULL;

	add_part(report, add_site(report, far, ARRAY_SIZE(far), MB), MB);
	profile = encode(report, &defaults);
	for (size_t i = 0; i < profile->n_location; i++) {
		const Pprof__Location *at = profile->location[i];
		const Pprof__Mapping *mapping = profile->mapping[at->mapping_id - 1];

		assert_int_equal(mapping->id, at->mapping_id);
		assert_in_range(at->address, mapping->memory_start, mapping->memory_limit - 1);
	}
}

/* A process may have as many names as mappings. */
static void test_names_are_bounded(void **state)
{
	size_t n = PROFILE_ROWS_MAX + 100;
	_cleanup_report_ struct report *report = make_report(n, 0);
	_cleanup_profile_ Pprof__Profile *profile = NULL;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		add_part(report, NULL, 4096)->given_name =
			arena__printf(report->strings, "name %zu", i);
	profile = encode(report, &defaults);
	assert_in_range(profile->n_sample, PROFILE_ROWS_MAX, PROFILE_ROWS_MAX + COVERAGES);
	for (size_t i = 0; i < profile->n_sample; i++)
		sum += profile->sample[i]->value[1];
	assert_int_equal(sum, n * 4096);
	assert_string_equal(label(profile, profile->sample[0], "region"), "(other)");
	assert_values(profile->sample[0], 100, 100 * 4096, 100 * 2 * 4096);
}

static void test_node(void **state)
{
	_cleanup_report_ struct report *report = sample_node__new();
	_cleanup_report_ struct report *first = make_report(9, 9), *second = make_report(9, 9);
	struct profile_rows *profile_rows = profile_rows__new(report->strings);
	_cleanup_profile_ Pprof__Profile *profile = NULL;
	static const struct report_container web = {
		.id = "4b61", .namespace = "prod", .pod = "web-0", .name = "app"};
	static const struct report_container nameless = {.id = "0c77"};
	const struct profile_process one = {1, "one", &web}, two = {2, "two", &nameless};
	struct profile_row *rows;

	add_part(first, NULL, MB);
	add_part(second, NULL, 2 * MB);
	assert_int_equal(profile_rows__add(profile_rows, &one, first->regions, 1), 0);
	assert_int_equal(profile_rows__add(profile_rows, &two, second->regions, 1), 0);
	assert_int_equal(profile_rows__rows(profile_rows, &rows, &report->n_profile_rows), 0);
	report->profile_rows = rows;
	profile_rows__free(profile_rows);
	profile = encode(report, &defaults);
	assert_int_equal(profile->n_sample, 2);
	assert_string_equal(label(profile, profile->sample[0], "comm"), "two");
	assert_string_equal(label(profile, profile->sample[0], "pid"), "2");
	assert_string_equal(label(profile, profile->sample[1], "comm"), "one");
	assert_string_equal(label(profile, profile->sample[0], "container"), "0c77");
	assert_null(label(profile, profile->sample[0], "pod"));
	assert_string_equal(label(profile, profile->sample[1], "container"), "app");
	assert_string_equal(label(profile, profile->sample[1], "pod"), "web-0");
	assert_string_equal(label(profile, profile->sample[1], "namespace"), "prod");
	assert_string_equal(text(profile, profile->mapping[0]->filename), "[node]");
}

/* The same report is the same bytes, so that a build of it can be compared. */
static void test_is_reproducible(void **state)
{
	struct buf out[2] = {};

	for (int i = 0; i < 2; i++) {
		_cleanup_report_ struct report *report = make_report(99, 9);

		for (int j = 0; j < 50; j++)
			add_part(report, NULL, MB)->given_name =
				arena__printf(report->strings, "%d", j);
		encode__pprof(report, &defaults, &out[i]);
	}
	assert_int_equal(out[0].len, out[1].len);
	assert_memory_equal(out[0].data, out[1].data, out[0].len);
	buf__free(&out[0]);
	buf__free(&out[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_what_is_shared),
		cmocka_unit_test(test_without_a_stack),
		cmocka_unit_test(test_truncated_and_other),
		cmocka_unit_test(test_small_call_sites),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_addresses_are_in_their_mappings),
		cmocka_unit_test(test_names_are_bounded),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_is_reproducible),
	};

	return cmocka_run_group_tests_name("pprof", tests, NULL, NULL);
}
