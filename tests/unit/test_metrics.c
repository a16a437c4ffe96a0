// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/metrics.h"
#include "sample_report.h"
#include "util/cleanup.h"

static const struct duration_histogram no_snapshots;

static void assert_has(const struct buf *text, const char *expected)
{
	if (!strstr(text->data, expected))
		fail_msg("not there: \"%s\"\n%s", expected, text->data);
}

static void assert_lacks(const struct buf *text, const char *unexpected)
{
	if (strstr(text->data, unexpected))
		fail_msg("there: \"%s\"\n%s", unexpected, text->data);
}

static size_t count(const struct buf *text, const char *what)
{
	const char *s = text->data;
	size_t n = 0;

	while ((s = strstr(s, what))) {
		s += strlen(what);
		n++;
	}
	return n;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a scraper rejects: a line that is none, a sample outside its family, a series twice. */
static void assert_well_formed(const struct buf *text)
{
	_cleanup_free_ char *copy = strdup(text->data);
	_cleanup_free_ char **series = calloc(text->len + 1, sizeof(*series));
	char *line, *rest = copy, *value, family[128] = "";
	size_t n = 0, i;

	assert_int_equal(buf__error(text), 0);
	assert_int_equal(text->data[text->len - 1], '\n');
	while ((line = strsep(&rest, "\n")) && rest) {
		if (!strncmp(line, "# HELP ", 7)) {
			snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "),
				 line + 7);
			assert_null(strstr(line, "  "));
			line = strsep(&rest, "\n");
			assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
			assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
			continue;
		}
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		value = strrchr(line, ' ');
		assert_non_null(value);
		assert_int_equal(strspn(value + 1, "0123456789.") + 1, strlen(value));
		*value = '\0';
		series[n++] = line;
	}
	qsort(series, n, sizeof(*series), by_text);
	for (i = 1; i < n; i++)
		assert_string_not_equal(series[i - 1], series[i]);
}

static void test_node(void **state)
{
	struct report *report = sample_node__new();
	_cleanup_buf_ struct buf text = {0};

	report->processes[0].kinds.bytes[PAGES_HUGETLB] = 32 * MB;
	report->processes[1].kinds = page_kinds_unknown;

	metrics__encode(report, NULL, &no_snapshots, &text);
	assert_well_formed(&text);
	assert_has(&text, "memprov_process_resident_bytes{pid=\"4242\",comm=\"redis-server\","
			  "category=\"anonymous\"} 209715200\n");
	assert_has(&text, "memprov_process_resident_bytes{pid=\"4242\",comm=\"redis-server\","
			  "category=\"runtime\"} 0\n");
	assert_has(&text, "memprov_process_proportional_bytes{pid=\"4242\",comm=\"redis-server\"} "
			  "199229440\n");
	assert_has(&text, "memprov_process_hugetlb_bytes{pid=\"4242\",comm=\"redis-server\"} "
			  "33554432\n");
	assert_has(&text, "memprov_process_lazyfree_bytes{pid=\"4242\",comm=\"redis-server\"} "
			  "0\n");
	/* Not known is not there. */
	assert_int_equal(count(&text, "_bytes{pid=\"7\","), CATEGORY_GROUPS);
	assert_lacks(&text, "memprov_process_proportional_bytes{pid=\"7\"");
	assert_has(&text, "memprov_process_sampled_timestamp_seconds{pid=\"4242\","
			  "comm=\"redis-server\"} 1795383065\n");
	assert_has(&text, "{pid=\"7\",comm=\"evil\\n\xef\xbf\xbd[2J\",category=\"other\"} 0\n");
	assert_has(&text, "\nmemprov_unattributed_resident_bytes 209715200\n");
	assert_has(&text, "\nmemprov_build_info{version=\"" MEMPROV_VERSION "\"} 1\n");
	assert_lacks(&text, "(other)");
	report__free(report);
}

static void test_tracer(void **state)
{
	static const struct metrics_counter resyncs[] = {{"lost", 3}, {"start", 200}};
	static const struct metrics_counter failures[] = {{"connect", 6}};
	static const struct unwinder_stats unwinder = {
		.symbolizer = {.restarts = 3, .unwound = 100, .truncated = 8, .maps_read = 45},
		.callsites = {.sites = 61, .bytes = 8192, .turned_away = 2},
	};
	static const struct tracer_stats stats = {
		.collector = {.events = {[MP_EVENT_MMAP] = 11, [MP_EVENT_COMM] = 12},
			      .malformed = 5,
			      .lost = {[MP_LOSS_RING_FULL] = 13},
			      .ring_size = 8 * MB,
			      .ring_used = 4096,
			      .map_bytes = 9 * MB},
		.resyncs = resyncs,
		.n_resyncs = ARRAY_SIZE(resyncs),
		.unwinder = &unwinder,
		.stacks_dropped = 17,
		.memory = {.limit = 100 * MB,
			   .used = {[BUDGET_LEDGERS] = 3 * MB},
			   .given_up = {[GIVE_UP_SPACES] = 4}},
		.cpu = {.percent = 5,
			.pressure = 2,
			.spent_ns = {[CPU_EVENTS] = 1250000000, [CPU_STACKS] = 3000000}},
		.notification_failures = failures,
		.n_notification_failures = 1,
		.notifications_sent = 21,
		.notifications_failed = 22,
		.notifications_dropped = 23,
		.stuck_readers = 4,
		.unreadable_processes = 3,
	};
	_cleanup_buf_ struct buf text = {0};

	metrics__encode(NULL, &stats, &no_snapshots, &text);
	assert_well_formed(&text);
	assert_has(&text, "\nmemprov_events_total{type=\"mmap\"} 11\n");
	assert_has(&text, "\nmemprov_events_total{type=\"comm\"} 12\n");
	assert_has(&text, "\nmemprov_stacks_unwound_total{result=\"complete\"} 92\n");
	assert_has(&text, "\nmemprov_stacks_unwound_total{result=\"truncated\"} 8\n");
	assert_has(&text, "\nmemprov_stacks_dropped_total 17\n");
	assert_has(&text, "\nmemprov_memory_limit_bytes 104857600\n");
	assert_has(&text, "\nmemprov_memory_bytes{what=\"ledgers\"} 3145728\n");
	assert_int_equal(count(&text, "\nmemprov_memory_bytes{"), BUDGET_USES);
	assert_has(&text, "\nmemprov_given_up_total{what=\"address_spaces\"} 4\n");
	assert_int_equal(count(&text, "\nmemprov_given_up_total{"), GIVE_UP_KINDS);
	assert_has(&text, "\nmemprov_cpu_limit_ratio 0.05\n");
	assert_has(&text, "\nmemprov_following_cpu_seconds_total{what=\"events\"} 1.250000\n");
	assert_has(&text, "\nmemprov_following_cpu_seconds_total{what=\"stacks\"} 0.003000\n");
	assert_has(&text, "\nmemprov_storm_pressure 2\n");
	assert_has(&text, "\nmemprov_notifications_total{result=\"sent\"} 21\n");
	assert_has(&text, "\nmemprov_notifications_total{result=\"failed\"} 22\n");
	assert_has(&text, "\nmemprov_notifications_total{result=\"dropped\"} 23\n");
	assert_has(&text, "\nmemprov_notification_failures_total{cause=\"connect\"} 6\n");
	assert_has(&text, "\nmemprov_stuck_readers 4\n");
	assert_has(&text, "\nmemprov_unreadable_processes 3\n");
	assert_has(&text, "\nmemprov_symbolizer_restarts_total 3\n");
	assert_has(&text, "\nmemprov_symbolizer_launcher_up 1\n");
	assert_has(&text, "\nmemprov_symbolizer_maps_read_total 45\n");
	assert_has(&text, "\nmemprov_callsites 61\n");
	assert_has(&text, "\nmemprov_callsites_bytes 8192\n");
	assert_has(&text, "\nmemprov_callsites_turned_away_total 2\n");
	assert_int_equal(count(&text, "\nmemprov_events_total{"), MP_EVENT_TYPES - 1);
	assert_has(&text, "\nmemprov_events_lost_total{cause=\"ring_full\"} 13\n");
	assert_has(&text, "\nmemprov_events_lost_total{cause=\"malformed\"} 5\n");
	assert_has(&text, "\nmemprov_ring_buffer_bytes{state=\"size\"} 8388608\n");
	assert_has(&text, "\nmemprov_ring_buffer_bytes{state=\"used\"} 4096\n");
	assert_has(&text, "\nmemprov_resyncs_total{cause=\"start\"} 200\n");
	assert_has(&text, "\nmemprov_bpf_map_bytes 9437184\n");
	assert_lacks(&text, "memprov_process");
}

static void test_histogram(void **state)
{
	struct duration_histogram histogram = {0};
	_cleanup_buf_ struct buf text = {0};

	duration_histogram__add(&histogram, 1000000); /* its bound belongs to a bucket */
	duration_histogram__add(&histogram, 1000001);
	duration_histogram__add(&histogram, 10000000000ULL);
	duration_histogram__add(&histogram, 60000000000ULL);
	metrics__encode(NULL, NULL, &histogram, &text);
	assert_well_formed(&text);
	assert_has(&text, "_bucket{le=\"0.001\"} 1\n");
	assert_has(&text, "_bucket{le=\"0.0025\"} 2\n");
	assert_has(&text, "_bucket{le=\"5.0\"} 2\n");
	assert_has(&text, "_bucket{le=\"10.0\"} 3\n");
	assert_has(&text, "_bucket{le=\"+Inf\"} 4\n");
	assert_has(&text, "_sum 70.002000\n");
	assert_has(&text, "_count 4\n");
}

static void test_collapse_name(void **state)
{
	static const struct {
		const char *name, *label;
	} cases[] = {
		{"TXMetaCache", "TXMetaCache"},
		{"Go: heap", "Go: heap"},
		{"worker-3", "worker-N"},
		{"shard12of64", "shardNofN"},
		{"buffer 0x7f8a40000000", "buffer N"},
		{"at0X1Fz", "atNz"},
		{"arena-7f8a40ab", "arena-N"},
		{"7f8a4000-7f8b4000", "N-N"},
		{"550e8400-e29b-41d4-a716-446655440000", "N-N-N-N-N"},
		{"a1 v2 cafe 0xyz", "aN vN cafe Nxyz"},
		{"/srv/db/main.sst", "(path)"},
		{"mapped /srv/db/main.sst ro", "mapped (path) ro"},
		{"read/write", "read/write"},
		{"x\xff\x1b\xc3\xa9", "x\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9"},
		{"", ""},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};

		buf__puts(&out, "");
		metrics__collapse_name(cases[i].name, &out);
		assert_string_equal(out.data, cases[i].label);
	}
}

static void test_names_are_summed(void **state)
{
	static const struct named_row named[] = {
		{.name = "worker-1", .rss = 1},	 {.name = "x\xfe", .rss = 100},
		{.name = "worker-22", .rss = 2}, {.name = "x\xff", .rss = 200},
		{.name = "(other)", .rss = 5},	 {.name = "q\"b\\n\n", .rss = 7},
	};
	struct report *report = sample_node__new();
	_cleanup_buf_ struct buf text = {0};

	report->processes[0].named = named;
	report->processes[0].n_named = ARRAY_SIZE(named);
	metrics__encode(report, NULL, &no_snapshots, &text);
	assert_well_formed(&text);
	assert_has(&text, ",comm=\"redis-server\",name=\"worker-N\"} 3\n");
	assert_has(&text, ",name=\"x\xef\xbf\xbd\"} 300\n");
	assert_has(&text, ",name=\"(other)\"} 5\n");
	assert_has(&text, ",name=\"q\\\"b\\\\n\\n\"} 7\n");
	report__free(report);
}

#define MANY 1000

/* A process that names its memory in a thousand ways, and a thousand processes. */
static void test_bounded(void **state)
{
	static struct process_row processes[MANY];
	static struct named_row named[MANY];
	static char names[MANY][4];
	struct report *report = sample_node__new();
	_cleanup_buf_ struct buf text = {0};
	size_t i;

	for (i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "%c%c%c", 'g' + (int)(i / 100),
			 'g' + (int)(i / 10 % 10), 'g' + (int)(i % 10));
		named[i] = (struct named_row){.name = names[i], .rss = MANY - i};
		processes[i] = (struct process_row){.pid = i + 1,
						    .comm = "same",
						    .rss = 10,
						    .pss = i % 2 ? 4 : UNKNOWN_BYTES,
						    .by_category_group = {[GROUP_NAMED] = 10}};
	}
	named[0].name = "(other)"; /* must not become a second series of that name */
	processes[0].named = named;
	processes[0].n_named = MANY;
	processes[MANY - 1].named = named;
	processes[MANY - 1].n_named = MANY;
	report->processes = processes;
	report->n_processes = MANY;
	metrics__encode(report, NULL, &no_snapshots, &text);
	assert_well_formed(&text);
	assert_int_equal(count(&text, ",category=\"named\"} "), METRICS_PROCESSES + 1);
	assert_has(&text, "{pid=\"50\",comm=\"same\",category=\"named\"} 10\n");
	assert_has(&text, "{pid=\"\",comm=\"(other)\",category=\"named\"} 9500\n");
	assert_has(&text, "proportional_bytes{pid=\"\",comm=\"(other)\"} 1900\n");
	/* 1 + … + 1000, of which 980 to 999 are told apart. */
	assert_int_equal(count(&text, "{pid=\"1\",comm=\"same\",name="), METRICS_NAMES + 1);
	assert_has(&text, "{pid=\"1\",comm=\"same\",name=\"ghp\"} 981\n");
	assert_has(&text, "{pid=\"1\",comm=\"same\",name=\"(other)\"} 480710\n");
	assert_has(&text, "{pid=\"\",comm=\"(other)\",name=\"(other)\"} 500500\n");
	report__free(report);
}

/* Each container of a pod is one series a category, however many processes it has; the small ones
 * beyond the cap are one sum. */
static void test_containers(void **state)
{
	struct report *report = sample_node__new();
	static struct report_container rows[METRICS_CONTAINERS + 3];
	static char names[METRICS_CONTAINERS + 3][16];
	_cleanup_buf_ struct buf text = {0};
	size_t n = METRICS_CONTAINERS + 3;

	metrics__encode(report, NULL, &no_snapshots, &text);
	assert_well_formed(&text);
	assert_has(&text, "memprov_container_resident_bytes{namespace=\"prod\",pod=\"web-0\","
			  "container=\"nginx\",category=\"anonymous\"} 209715200\n");
	/* The other process is in none. */
	assert_int_equal(count(&text, "memprov_container_resident_bytes{"), CATEGORY_GROUPS);
	buf__free(&text);
	report->processes[1].container = report->processes[0].container;
	metrics__encode(report, NULL, &no_snapshots, &text);
	assert_has(&text, "container=\"nginx\",category=\"anonymous\"} 314572800\n");
	assert_int_equal(count(&text, "memprov_container_resident_bytes{"), CATEGORY_GROUPS);
	buf__free(&text);

	report->processes = arena__alloc(report->strings, n * sizeof(*report->processes));
	report->n_processes = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		rows[i] = sample_container;
		rows[i].name = names[i];
		report->processes[i] = (struct process_row){
			.pid = i + 1, .comm = "x", .rss = n - i, .container = &rows[i]};
		report->processes[i].by_category_group[GROUP_NAMED] = n - i;
	}
	rows[5].name = NULL; /* its name is not known: no series, rather than a wrong one */
	metrics__encode(report, NULL, &no_snapshots, &text);
	assert_well_formed(&text);
	assert_int_equal(count(&text, "memprov_container_resident_bytes{"),
			 (METRICS_CONTAINERS + 1) * CATEGORY_GROUPS);
	assert_has(&text, "namespace=\"(other)\",pod=\"(other)\",container=\"(other)\","
			  "category=\"named\"} 3\n");
	assert_lacks(&text, "container=\"c5\"");
	report__free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_tracer),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_collapse_name),
		cmocka_unit_test(test_names_are_summed),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_containers),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
