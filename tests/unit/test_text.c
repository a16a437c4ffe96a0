// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/cgroup.h"
#include "report/container.h"
#include "report/encode.h"
#include "sample_report.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/text.h"

/* docs/http.md, to the byte. */
static const char sample_text[] =
	"=== Complete Memory Breakdown ===\n"
	"\n"
	"Go Runtime:\n"
	"  Heap:               2048 MB\n"
	"  Stack:               128 MB\n"
	"  Metadata:            256 MB\n"
	"  Subtotal:           2432 MB\n"
	"\n"
	"Named Memory Regions (mmap):\n"
	"  TXMetaCache                                    4096 MB\n"
	"  Subtotal:           4096 MB\n"
	"\n"
	"File-Backed Memory:\n"
	"  Shared Libraries                                 64 MB\n"
	"  Binary teranode.run                             181 MB\n"
	"  Subtotal:            245 MB\n"
	"\n"
	"Anonymous Memory:\n"
	"  Read-Write:          512 MB\n"
	"  Read-Only:            32 MB\n"
	"  Executable:           16 MB\n"
	"  Subtotal:            560 MB\n"
	"\n"
	"=== Totals ===\n"
	"Virtual Memory:      12288 MB\n"
	"RSS (Resident):       7333 MB\n"
	"PSS (Proportional):       7333 MB\n"
	"\n"
	"=== Top 20 Memory Regions ===\n"
	"\n"
	"ADDRESS            PERMS  RSS        PRIVATE    SHARED     NAME\n"
	"------------------------------------------------------------------------------------------"
	"------------------------------\n"
	"7f8a40000000...    rw-p       4096 MB     4096 MB        0 MB [anon: TXMetaCache]\n";

static const char sample_coverage[] =
	"\n"
	"=== Top 20 Call Sites (resident) ===\n\n(none)\n\n"
	"=== Coverage ===\n"
	"Attributed:           7000 MB  95.4%  its creation was seen\n"
	"Predates:                0 MB   0.0%  mapped before tracing began\n"
	"Kernel:                333 MB   4.5%  mapped by exec and the kernel itself (program, main "
	"stack, vdso)\n"
	"Unknown:                 0 MB   0.0%  came while tracing, but no event told of it\n"
	"Tracing: complete, backend tracepoint, 0 events lost\n";

static const struct encode_options defaults = {.top = 20};

static void assert_text(const struct report *report, const struct encode_options *options,
			const char *expected)
{
	_cleanup_buf_ struct buf text = {0};

	encode__text(report, options, &text);
	assert_int_equal(buf__error(&text), 0);
	assert_string_equal(text.data, expected);
}

static void assert_text_has(const struct report *report, const struct encode_options *options,
			    const char *expected)
{
	_cleanup_buf_ struct buf text = {0};

	encode__text(report, options, &text);
	assert_int_equal(buf__error(&text), 0);
	if (!strstr(text.data, expected))
		fail_msg("not in the text: \"%s\"\n%s", expected, text.data);
}

static void assert_text_lacks(const struct report *report, const struct encode_options *options,
			      const char *unexpected)
{
	_cleanup_buf_ struct buf text = {0};

	encode__text(report, options, &text);
	if (strstr(text.data, unexpected))
		fail_msg("in the text: \"%s\"\n%s", unexpected, text.data);
}

static int setup(void **state)
{
	*state = sample_report__new();
	return *state ? 0 : -1;
}

static int setup_node(void **state)
{
	*state = sample_node__new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	report__free(*state);
	return 0;
}

static void test_contract_sample(void **state)
{
	char expected[sizeof(sample_text) + sizeof(sample_coverage)];

	snprintf(expected, sizeof(expected), "%s%s", sample_text, sample_coverage);
	assert_text(*state, &defaults, expected);
}

static void test_empty_sections(void **state)
{
	struct report *report = *state;

	report->n_named = report->n_files = report->n_regions = 0;
	memset(report->by_category, 0, sizeof(report->by_category));
	memset(report->by_coverage, 0, sizeof(report->by_coverage));
	memset(&report->totals, 0, sizeof(report->totals));
	report->runtime = RUNTIME_NATIVE;
	report->tracing.state = TRACING_OFF;
	report->tracing.why_off = "no CAP_BPF\n(run it as root)";
	assert_text(
		report, &defaults,
		"=== Complete Memory Breakdown ===\n"
		"\n"
		"Native Runtime:\n"
		"  Heap:                  0 MB\n"
		"  Stack:                 0 MB\n"
		"  Metadata:              0 MB\n"
		"  Subtotal:              0 MB\n"
		"\n"
		"Anonymous Memory:\n"
		"  Read-Write:            0 MB\n"
		"  Read-Only:             0 MB\n"
		"  Executable:            0 MB\n"
		"  Subtotal:              0 MB\n"
		"\n"
		"=== Totals ===\n"
		"Virtual Memory:          0 MB\n"
		"RSS (Resident):          0 MB\n"
		"PSS (Proportional):          0 MB\n"
		"\n"
		"=== Top 20 Memory Regions ===\n"
		"\n"
		"ADDRESS            PERMS  RSS        PRIVATE    SHARED     NAME\n"
		"----------------------------------------------------------------------------------"
		"--------------------------------------\n"
		"\n"
		"=== Coverage ===\n"
		"Attributed:              0 MB   0.0%  its creation was seen\n"
		"Predates:                0 MB   0.0%  mapped before tracing began\n"
		"Kernel:                  0 MB   0.0%  mapped by exec and the kernel itself "
		"(program, main stack, vdso)\n"
		"Unknown:                 0 MB   0.0%  nothing was traced\n"
		"No call sites: no CAP_BPF\\n(run it as root)\n");
}

static void test_headings(void **state)
{
	static const struct {
		enum runtime runtime;
		const char *heading;
	} cases[] = {
		{RUNTIME_GO, "\n\nGo Runtime:\n"},
		{RUNTIME_JAVA, "\n\nJava Runtime:\n"},
		{RUNTIME_NODE, "\n\nNode.js Runtime:\n"},
		{RUNTIME_PYTHON, "\n\nPython Runtime:\n"},
		{RUNTIME_NATIVE, "\n\nNative Runtime:\n"},
	};
	struct report *report = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		report->runtime = cases[i].runtime;
		assert_text_has(report, &defaults, cases[i].heading);
	}
}

static void test_kilobytes_round_down(void **state)
{
	const struct encode_options options = {.top = 20, .unit = UNIT_KB};
	struct report *report = *state;

	report->totals.rss = 2047;
	assert_text_has(report, &options, "RSS (Resident):          1 kB\n");
	assert_text_has(report, &options,
			"rw-p    4194304 kB  4194304 kB        0 kB [anon: TXMetaCache]\n");
	report->totals.rss = MB - 1;
	assert_text_has(report, &defaults, "RSS (Resident):          0 MB\n");
}

static void test_other(void **state)
{
	struct report *report = *state;

	assert_text_lacks(report, &defaults, "Other:");
	report->by_category[CATEGORY_OTHER] = 3 * MB;
	assert_text_has(report, &defaults,
			"  Subtotal:            560 MB\n\n"
			"Other:                   3 MB\n\n"
			"=== Totals ===\n");
}

static void test_racing(void **state)
{
	struct report *report = *state;

	assert_text_lacks(report, &defaults, "Racing:");
	report->racing = true;
	assert_text_has(report, &defaults,
			"\nRacing: the process changed its memory map during every try");
}

/* What is cut off is summed, so that the rows of a section still add up. */
static void test_top_and_all(void **state)
{
	static struct named_row named[] = {
		{"a", 9 * MB, 9 * MB, 1}, {"b", 8 * MB, 8 * MB, 1}, {"c", 7 * MB, 7 * MB, 1}};
	static struct part regions[] = {
		{.start = 0x400000, .perms = "r-xp", .rss = 9 * MB, .name = "/bin/x"},
		{.start = 0x1000, .perms = "rw-p", .rss = 8 * MB},
		{.start = 0xffffffffff600000, .perms = "--xp", .name = "[vsyscall]"},
	};
	struct encode_options options = {.top = 1};
	struct report *report = *state;

	report->named = named;
	report->n_named = ARRAY_SIZE(named);
	report->regions = regions;
	report->n_regions = ARRAY_SIZE(regions);

	assert_text_has(report, &options,
			"  a                                                 9 MB\n"
			"  (2 others)                                       15 MB\n"
			"  Subtotal:");
	assert_text_has(report, &options, "=== Top 1 Memory Regions ===\n");
	assert_text_has(report, &options, "\n00400000...        r-xp          9 MB ");
	assert_text_lacks(report, &options, "00001000...");

	/* Regions without resident memory only with all. */
	options.top = 20;
	assert_text_has(report, &options,
			"\n00001000...        rw-p          8 MB        0 MB        0 MB "
			"[anonymous]\n\n=== Top");
	assert_text_lacks(report, &options, "others");

	options = (struct encode_options){.top = 1, .all = true};
	assert_text_has(report, &options, "=== All Memory Regions ===\n");
	assert_text_has(report, &options,
			"\nffffffffff600000... --xp          0 MB        0 MB        0 MB "
			"[vsyscall]\n");
	assert_text_lacks(report, &options, "others");
}

static void test_hostile_names(void **state)
{
	struct report *report = *state;
	_cleanup_buf_ struct buf text = {0};
	const char *s;
	size_t lines = 0, before = 0;

	encode__text(report, &defaults, &text);
	for (s = text.data; *s; s++)
		before += *s == '\n';
	buf__free(&text);

	report->named[0].name = "x\n=== Totals ===\nRSS (Resident): 1 MB\x1b[2J\xff\xe2\x80\xae";
	report->files[0].name = "Binary \x9b\r\t\x7f";
	report->regions[0].name = "/tmp/\nRSS (Resident): 2 MB\xed\xa0\x80";
	encode__text(report, &defaults, &text);
	for (s = text.data; *s; s++) {
		assert_true(*s == '\n' || ((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f));
		lines += *s == '\n';
	}
	assert_int_equal(lines, before);
	assert_non_null(strstr(text.data, "x\\n=== Totals ===\\nRSS (Resident): 1 MB\\x1b[2J\\xff"
					  "\\u202e"));
	assert_non_null(strstr(text.data, "  Binary \\x9b\\r\\t\\x7f "));
	assert_non_null(strstr(text.data, " /tmp/\\nRSS (Resident): 2 MB\\xed\\xa0\\x80\n"));
}

static void test_show(void **state)
{
	static const struct {
		const char *name, *shown;
	} cases[] = {
		{"", ""},
		{"/usr/lib/libc.so.6 (deleted)", "/usr/lib/libc.so.6 (deleted)"},
		{"back\\slash \"quoted\"", "back\\slash \"quoted\""},
		{"cach\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac", "cach\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"},
		{"a\nb\rc\td", "a\\nb\\rc\\td"},
		{"\x01\x1b[31m\x7f", "\\x01\\x1b[31m\\x7f"},
		{"\xc2\x9b", "\\u009b"}, /* CSI in one character */
		{"\x9b\xff", "\\x9b\\xff"},
		{"\xc0\x8a", "\\xc0\\x8a"},	     /* an overlong newline */
		{"\xe2\x80", "\\xe2\\x80"},	     /* cut off */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
		{"\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
		{"\xe2\x80\x8e\xe2\x80\x8f", "\\u200e\\u200f"},
		{"\xe2\x80\xaa\xe2\x80\xae", "\\u202a\\u202e"},
		{"\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069"},
		{"\xf3\xa0\x80\x81", "\\U000e0001"},
		{"\xe2\x80\x8d\xe2\x80\xb0", "\xe2\x80\x8d\xe2\x80\xb0"}, /* their neighbours */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};

		buf__puts(&out, "");
		text__show(&out, cases[i].name);
		assert_string_equal(out.data, cases[i].shown);
	}
}

static void test_show_padded(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	text__show_padded(&out, "caf\xc3\xa9", 6);
	text__show_padded(&out, "\n", 4);
	text__show_padded(&out, "longer", 3);
	assert_string_equal(out.data, "caf\xc3\xa9  \\n  longer");
}

static void test_node(void **state)
{
	const struct encode_options one = {.top = 1};

	assert_text(
		*state, &defaults,
		"=== Complete Memory Breakdown ===\n"
		"\n"
		"Language Runtimes:\n"
		"  Heap:                  0 MB\n"
		"  Stack:                 0 MB\n"
		"  Metadata:              0 MB\n"
		"  Subtotal:              0 MB\n"
		"\n"
		"Anonymous Memory:\n"
		"  Read-Write:          300 MB\n"
		"  Read-Only:             0 MB\n"
		"  Executable:            0 MB\n"
		"  Subtotal:            300 MB\n"
		"\n"
		"=== Totals ===\n"
		"Virtual Memory:          0 MB\n"
		"RSS (Resident):        300 MB\n"
		"PSS (Proportional):        250 MB\n"
		"\n"
		"=== Top 20 Processes ===\n"
		"\n"
		"     PID COMM                       RSS           PSS          SWAP        "
		"GROWTH       AGE\n"
		"    4242 redis-server            200 MB        190 MB          0 MB         -3 "
		"MB       2 s\n"
		"       7 evil\\n\\x1b[2J           100 MB             -         12 MB             "
		"-       0 s\n"
		"Processes that could not be read, so not in any figure: 3\n"
		"\n"
		"=== Top 20 Call Sites (resident) ===\n\n(none)\n\n"
		"=== Coverage ===\n"
		"Attributed:            100 MB  33.3%  its creation was seen\n"
		"Predates:              200 MB  66.6%  mapped before tracing began\n"
		"Kernel:                  0 MB   0.0%  mapped by exec and the kernel itself "
		"(program, main stack, vdso)\n"
		"Unknown:                 0 MB   0.0%  came while tracing, but no event told of "
		"it\n"
		"Tracing: since_attach, backend tracepoint, 7 events lost\n");
	assert_text_has(*state, &one, "=== Top 1 Processes ===\n");
	assert_text_lacks(*state, &one, "evil");
}

static void test_processes(void **state)
{
	const struct encode_options whole = {.all = true, .unit = UNIT_KB};
	_cleanup_buf_ struct buf text = {0};

	encode__processes_text(*state, &whole, &text);
	assert_string_equal(text.data,
			    "     PID COMM                       RSS           PSS          SWAP   "
			    "     GROWTH       AGE\n"
			    "    4242 redis-server         204800 kB     194560 kB          0 kB   "
			    "   -3072 kB       2 s\n"
			    "       7 evil\\n\\x1b[2J        102400 kB             -      12288 kB "
			    "            -       0 s\n"
			    "Processes that could not be read, so not in any figure: 3\n");
}

static void test_containers(void **state)
{
	struct report_container container = sample_container;
	static const char *const lines[] = {
		"Container: nginx of pod prod/web-0 (containerd 0123456789ab)\n",
		"Container: - of pod prod/web-0 (containerd 0123456789ab)\n",
		"Container: - of pod prod/web-0 (0123456789ab)\n",
		"Container: - of pod 2f399ea0-2d0d-4e26-8d4f-9a3e7f9b2c11 (0123456789ab)\n",
		"Container: - (0123456789ab)\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_buf_ struct buf text = {};

		report_container__add_text(&text, &container);
		assert_string_equal(text.data, lines[i]);
		*(const char **[]){&container.name, &container.runtime, &container.pod,
				   &container.pod_uid, &container.id}[i] = NULL;
	}
}

static void test_control_group(void **state)
{
	static const struct report_bridge bridge = {.pss = 190 * MB,
						    .anonymous = 2 * MB,
						    .page_cache = -3 * (int64_t)MB,
						    .kernel = 5 * MB,
						    .slab = 4 * MB,
						    .kernel_stack = UNKNOWN_BYTES,
						    .page_tables = UNKNOWN_BYTES,
						    .other = 1 * MB};
	struct report_cgroup cgroup = {"/kubepods/x", 195 * MB, UNKNOWN_BYTES, 180 * MB, NULL};
	_cleanup_buf_ struct buf text = {};

	report_cgroup__add_text(&text, NULL, UNIT_MB);
	report_cgroup__add_text(&text, &cgroup, UNIT_MB);
	assert_int_equal(text.len, 0);
	cgroup.bridge = &bridge;
	report_cgroup__add_text(&text, &cgroup, UNIT_MB);
	assert_string_equal(
		text.data,
		"=== Control Group ===\n"
		"/kubepods/x\n"
		"Processes (PSS):           190 MB\n"
		"Anonymous:                  +2 MB  charged, and mapped by none of them\n"
		"Page Cache:                 -3 MB  mapped by them, and charged to others\n"
		"Shared Memory:              +0 MB  tmpfs and the like, likewise\n"
		"Kernel:                     +5 MB  on their behalf\n"
		"  Slab:                      4 MB\n"
		"Sockets:                    +0 MB  buffers of the network\n"
		"Other:                      +1 MB  charged ahead, and what has no name\n"
		"Charged:                   195 MB\n"
		"Working Set:               180 MB\n"
		"Limit:                          -\n\n");
}

/* Beside RSS, where there are any. */
static void test_kinds_of_pages(void **state)
{
	struct report *report = *state;

	assert_text_lacks(report, &defaults, "HugeTLB");
	assert_text_lacks(report, &defaults, "HugePages");
	report->totals.kinds = page_kinds_unknown;
	assert_text_lacks(report, &defaults, "KSM");
	report->totals.kinds.bytes[PAGES_HUGETLB] = 33 * MB - 1;
	report->totals.kinds.bytes[PAGES_LAZYFREE] = 8 * MB;
	report->totals.kinds.bytes[PAGES_ANON_HUGE] = 4 * MB;
	assert_text_has(
		report, &defaults,
		"PSS (Proportional):       7333 MB\n"
		"HugeTLB:                32 MB  not in RSS: pages reserved as huge ones\n"
		"LazyFree:                8 MB  in RSS; freed by MADV_FREE, and taken when the "
		"kernel needs memory\n"
		"AnonHugePages:           4 MB  in RSS; transparent huge pages\n"
		"\n");
	report->regions[0].kinds.bytes[PAGES_LAZYFREE] = 8 * MB;
	report->regions[0].kinds.bytes[PAGES_KSM] = UNKNOWN_BYTES;
	assert_text_has(report, &defaults, "[anon: TXMetaCache]  (LazyFree 8 MB)\n");
	report->regions[0].rss = 0;
	report->regions[0].kinds.bytes[PAGES_LAZYFREE] = 0;
	assert_text_lacks(report, &defaults, "[anon: TXMetaCache]");
	report->regions[0].kinds.bytes[PAGES_HUGETLB] = 16 * MB;
	assert_text_has(report, &defaults, "[anon: TXMetaCache]  (HugeTLB 16 MB)\n");
}

static void test_hugetlb_of_processes(void **state)
{
	struct report *report = *state;

	report->processes[0].kinds.bytes[PAGES_HUGETLB] = 32 * MB;
	report->processes[1].kinds.bytes[PAGES_HUGETLB] = UNKNOWN_BYTES;
	assert_text_has(report, &defaults,
			"SWAP       HUGETLB        GROWTH       AGE\n"
			"    4242 redis-server            200 MB        190 MB          0 MB"
			"         32 MB         -3 MB       2 s\n"
			"       7 evil\\n\\x1b[2J           100 MB             -         12 MB"
			"             -             -       0 s\n");
}

/* --- the buffer that texts are made in ---------------------------------------------------------
 */

static void any_length_is_printed_whole(void **state)
{
	char expected[600];

	for (int before = 0; before < 300; before++) {
		_cleanup_buf_ struct buf b = {};

		for (int i = 0; i < before; i++)
			buf__puts(&b, "x");
		buf__printf(&b, "%*d", before + 1, -7);
		snprintf(expected, sizeof(expected), "%*d", before + 1, -7);
		assert_int_equal(buf__error(&b), 0);
		assert_int_equal(b.len, before + strlen(expected));
		assert_string_equal(b.data + before, expected);
	}
}

static void numbers_are_as_printf_has_them(void **state)
{
	const uint64_t numbers[] = {0, 9, 10, 12345678, UINT64_MAX};
	char expected[64];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		for (int width = 0; width < 30; width++) {
			_cleanup_buf_ struct buf b = {};

			buf__add_u64(&b, numbers[i], width);
			snprintf(expected, sizeof(expected), "%*" PRIu64, width, numbers[i]);
			assert_string_equal(b.data, expected);
			assert_int_equal(b.len, strlen(expected));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_contract_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_sections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kilobytes_round_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_racing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_top_and_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds_of_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hugetlb_of_processes, setup_node, teardown),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_show_padded),
		cmocka_unit_test_setup_teardown(test_node, setup_node, teardown),
		cmocka_unit_test_setup_teardown(test_processes, setup_node, teardown),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_control_group),
		cmocka_unit_test(any_length_is_printed_whole),
		cmocka_unit_test(numbers_are_as_printf_has_them),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
