// SPDX-License-Identifier: BSD-2-Clause
/* From observations to alerts, and what is said of them: user/growth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "growth/alert_encode.h"
#include "growth/evaluate.h"
#include "growth/notices.h"
#include "made_sites.h"
#include "proc/statm.h"
#include "report/report.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define MB	  (1ULL << 20)
#define BOOT_S	  5000
#define WALL_S	  1795383000ULL
#define MAX_COUNT 65530

/* A node, second by second. */
struct node {
	struct growers growers;
	struct alerts alerts;
	uint32_t s;	  /* since BOOT_S */
	uint64_t started; /* ticks; 0: long ago */
};

static uint64_t start_of(const struct node *node)
{
	return node->started ?: 100;
}

static struct moment moment_of(const struct node *node)
{
	return (struct moment){BOOT_S + node->s, (WALL_S + node->s) * NSEC_PER_SEC};
}

static void free_node(struct node *node)
{
	growers__free(&node->growers);
	alerts__free(&node->alerts);
}

static struct report_container container_of(const char *id, bool named)
{
	return (struct report_container){
		.id = id,
		.namespace = named ? "prod" : NULL,
		.pod = named ? "web-0" : NULL,
		.name = named ? "nginx" : NULL,
	};
}

static void observe(struct node *node, pid_t pid, const struct report_container *container,
		    size_t mappings, struct callsite *mapper)
{
	struct report *report = report__new();
	struct site_row row = {.site = mapper, .regions = mappings - 10};
	const struct observation o = {
		.report = report,
		.start_ticks = start_of(node),
		.taken_ns = (BOOT_S + node->s) * NSEC_PER_SEC,
		.mappings = mappings,
		.owner = {true, 33, 33},
	};

	report->pid = pid;
	report->comm = "leaker";
	report->start_time = (WALL_S - 1000) * NSEC_PER_SEC;
	report->container = container;
	report->sites = &row;
	report->n_sites = mapper ? 1 : 0;
	growers__observe(&node->growers, &o);
	report->n_sites = 0;
	report__free(report);
}

static void look(struct node *node, pid_t pid, uint64_t anonymous)
{
	const struct proc_memory memory = {
		.size = 2 * anonymous, .rss = anonymous + 3 * MB, .shared = 3 * MB};

	grower__look(growers__find(&node->growers, pid, start_of(node)), BOOT_S + node->s, &memory);
}

static void evaluate(struct node *node)
{
	const struct moment now = moment_of(node);

	evaluate__all(&node->growers, &node->alerts, MAX_COUNT, &now);
}

static void lose(struct node *node, pid_t pid)
{
	evaluate__gone(&node->growers, &node->alerts,
		       growers__find(&node->growers, pid, start_of(node)), moment_of(node).wall_ns);
}

/* For so long, at so much a second. */
static void run(struct node *node, pid_t pid, uint32_t seconds, uint64_t *anonymous, uint64_t rate)
{
	for (uint32_t end = node->s + seconds; node->s < end; node->s += 5) {
		look(node, pid, *anonymous);
		evaluate(node);
		*anonymous += 5 * rate;
	}
}

static size_t count(const struct node *node, enum alert_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < ALERTS_MAX; i++)
		n += node->alerts.all[i] && node->alerts.all[i]->state == state;
	return n;
}

static const struct alert *only(const struct node *node)
{
	assert_non_null(node->alerts.all[0]);
	for (size_t i = 1; i < ALERTS_MAX; i++)
		assert_null(node->alerts.all[i]);
	return node->alerts.all[0];
}

/* --- one process ------------------------------------------------------------------------------ */

static void a_leak_from_suspicion_to_the_end(void **state)
{
	struct node node = {};
	uint64_t anonymous = 100 * MB;
	const struct alert *alert;

	(void)state;
	observe(&node, 7, NULL, 50, NULL);
	run(&node, 7, 300, &anonymous, 0);
	assert_null(node.alerts.all[0]);
	run(&node, 7, 70, &anonymous, 2 * MB);
	assert_int_equal(only(&node)->state, ALERT_PENDING);
	run(&node, 7, 100, &anonymous, 2 * MB);
	alert = only(&node);
	assert_int_equal(alert->state, ALERT_FIRING);
	assert_int_equal(alert->pid, 7);
	assert_true(alert->slope.estimate == 2 * MB && alert->slope.low == 2 * MB);
	assert_in_range(alert->since / NSEC_PER_SEC, WALL_S + 290, WALL_S + 310);
	assert_int_equal(alert->rss, anonymous - 10 * MB + 3 * MB);
	/* What it has it keeps. */
	run(&node, 7, 600, &anonymous, 0);
	assert_int_equal(only(&node)->state, ALERT_RESOLVED);
	assert_int_not_equal(only(&node)->ended, 0);
	node.s += ALERT_SHOWN_S + 1;
	evaluate(&node);
	assert_null(node.alerts.all[0]);
	free_node(&node);
}

static void a_leak_ends_with_its_process(void **state)
{
	struct node node = {};
	uint64_t anonymous = 10 * MB;

	(void)state;
	observe(&node, 7, NULL, 50, NULL);
	run(&node, 7, 200, &anonymous, MB);
	assert_int_equal(only(&node)->state, ALERT_FIRING);
	lose(&node, 7);
	assert_int_equal(only(&node)->state, ALERT_RESOLVED);
	/* A suspicion is forgotten. */
	observe(&node, 8, NULL, 50, NULL);
	anonymous = 10 * MB;
	run(&node, 8, 80, &anonymous, MB);
	assert_int_equal(count(&node, ALERT_PENDING), 1);
	lose(&node, 8);
	assert_int_equal(only(&node)->pid, 7);
	free_node(&node);
}

/* Its heap fills for the first time, perhaps; unless its limit is near. */
static void what_is_young_is_waited_for(void **state)
{
	struct node node = {.started = BOOT_S * 100};
	uint64_t anonymous = 10 * MB;
	struct alert *alert;

	(void)state;
	observe(&node, 7, NULL, 50, NULL);
	run(&node, 7, 300, &anonymous, MB);
	alert = node.alerts.all[0];
	assert_int_equal(only(&node)->state, ALERT_PENDING);
	alert->limit_at = moment_of(&node).wall_ns + 301 * NSEC_PER_SEC;
	evaluate(&node);
	assert_int_equal(alert->state, ALERT_PENDING);
	alert->limit_at -= 2 * NSEC_PER_SEC;
	alert->limit_is_node = true;
	evaluate(&node);
	assert_int_equal(alert->state, ALERT_PENDING);
	alert->limit_is_node = false;
	evaluate(&node);
	assert_int_equal(alert->state, ALERT_FIRING);
	/* That is not taken back. */
	alert->limit_at = 0;
	run(&node, 7, 30, &anonymous, MB);
	assert_int_equal(alert->state, ALERT_FIRING);
	free_node(&node);
}

/* The sampler has not come to it: its trend begins all the same, and the alert once it is observed.
 */
static void what_is_not_observed_yet(void **state)
{
	struct node node = {};
	uint64_t anonymous = 100 * MB;

	(void)state;
	growers__meet(&node.growers, 7, (BOOT_S - GROWER_YOUNG_S + 1) * 100, BOOT_S);
	assert_int_equal(HASH_COUNT(node.growers.processes), 0);
	growers__meet(&node.growers, 7, start_of(&node), BOOT_S);
	growers__meet(&node.growers, 7, start_of(&node), BOOT_S);
	assert_int_equal(HASH_COUNT(node.growers.processes), 1);
	run(&node, 7, 200, &anonymous, 2 * MB);
	assert_null(node.alerts.all[0]);
	observe(&node, 7, NULL, 50, NULL);
	evaluate(&node);
	assert_int_equal(only(&node)->state, ALERT_FIRING);
	assert_string_equal(only(&node)->comm, "leaker");
	assert_int_equal(HASH_COUNT(node.growers.processes), 1);
	free_node(&node);
}

static void alerts_are_bounded_and_ended_ones_make_room(void **state)
{
	struct node node = {};

	(void)state;
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		struct alert *alert = alerts__add(&node.alerts, ALERT_GROWTH);

		assert_non_null(alert);
		alert->state = ALERT_FIRING;
	}
	assert_null(alerts__add(&node.alerts, ALERT_GROWTH));
	assert_int_equal(node.alerts.turned_away, 1);
	alerts__end(&node.alerts, node.alerts.all[5], WALL_S);
	/* Not before that was told. */
	assert_null(alerts__add(&node.alerts, ALERT_GROWTH));
	node.alerts.all[5]->end_told = true;
	assert_non_null(alerts__add(&node.alerts, ALERT_GROWTH));
	assert_int_equal(node.alerts.all[5]->id, ALERTS_MAX + 1);
	free_node(&node);
}

/* --- containers ------------------------------------------------------------------------------- */

/* It is started again every two hours, fills 20 MB in five minutes, and leaks. The result is how
 * often its growth was found in so many lives. */
static size_t live(struct node *node, unsigned lives, double leak_mb_min, bool named)
{
	size_t alarms = 0, before = 0;

	for (unsigned life = 0; life < lives; life++) {
		char id[16];
		struct report_container container;
		pid_t pid = 100 + life;

		snprintf(id, sizeof(id), "%012u", life);
		container = container_of(id, named);
		observe(node, pid, &container, 50, NULL);
		for (uint32_t t = 0; t < 7200; t += 20, node->s += 20) {
			double mb = 40 + 20 * (t < 300 ? t / 300.0 : 1) + leak_mb_min * t / 60;
			size_t firing;

			look(node, pid, mb * MB);
			evaluate(node);
			firing = count(node, ALERT_FIRING);
			alarms += firing > before;
			before = firing;
		}
		lose(node, pid);
		node->s += 30;
		before = count(node, ALERT_FIRING);
	}
	return alarms;
}

static void a_leak_that_restarts_interrupt(void **state)
{
	struct node node = {};

	(void)state;
	assert_int_equal(live(&node, 24, 0.1, true), 1);
	assert_int_equal(only(&node)->pid, 0);
	assert_string_equal(only(&node)->container->name, "nginx");
	free_node(&node);
}

static void restarts_are_no_leak(void **state)
{
	struct node node = {};

	(void)state;
	assert_int_equal(live(&node, 60, 0, true), 0);
	assert_int_equal(HASH_COUNT(node.growers.containers), 1);
	free_node(&node);
}

/* Each in its own. */
static void observe_in(struct node *node, pid_t pid)
{
	char id[16];
	struct report_container container;

	snprintf(id, sizeof(id), "%012d", pid);
	container = container_of(id, false);
	observe(node, pid, &container, 50, NULL);
}

static void containers_are_bounded(void **state)
{
	struct node node = {};

	(void)state;
	for (pid_t pid = 1; pid <= CONTAINERS_MAX + 1; pid++)
		observe_in(&node, pid);
	assert_non_null(growers__find(&node.growers, CONTAINERS_MAX, 100)->group);
	assert_null(growers__find(&node.growers, CONTAINERS_MAX + 1, 100)->group);
	/* One whose processes have gone makes room. */
	lose(&node, 3);
	observe_in(&node, CONTAINERS_MAX + 2);
	assert_non_null(growers__find(&node.growers, CONTAINERS_MAX + 2, 100)->group);
	assert_int_equal(HASH_COUNT(node.growers.containers), CONTAINERS_MAX);
	free_node(&node);
}

/* --- mappings --------------------------------------------------------------------------------- */

static struct callsite *site_of(const char *function)
{
	const struct frame frames[] = {
		{.function = "mmap64", .module = "/lib/libc.so.6", .offset = 0x100},
		{.function = function, .module = "/bin/mapper", .offset = 0x1000},
	};

	struct callsite *site = make_site(frames, 2, false);

	site->owner = 1;
	return site;
}

static void mappings_that_run_out(void **state)
{
	struct callsite *site = site_of("map_one");
	struct culprits culprits = {};
	struct node node = {};
	struct grower *grower;

	(void)state;
	observe(&node, 7, NULL, 50, site);
	for (size_t n = 3000; n < 30000; n += 100, node.s += 5) {
		observe(&node, 7, NULL, n, site);
		evaluate(&node);
	}
	assert_int_equal(only(&node)->kind, ALERT_MAP_COUNT);
	assert_int_equal(only(&node)->state, ALERT_FIRING);
	assert_true(only(&node)->slope.estimate == 20);
	grower = growers__find(&node.growers, 7, 100);
	assert_int_equal(culprits__of_mappings(grower->maps, &culprits), 0);
	assert_string_equal(culprits.site.data, "map_one in /bin/mapper");
	assert_non_null(strstr(culprits.text.data, "+29890 mappings  by map: map_one"));
	culprits__free(&culprits);
	callsite__unref(site);
	free_node(&node);
}

/* It was seen first when it had them all: nothing has grown since, and yet one site has made them.
 */
static void mappings_that_were_there_at_once(void **state)
{
	struct callsite *site = site_of("map_one");
	struct culprits culprits = {};
	struct node node = {};

	(void)state;
	for (; node.s < 20; node.s += 5)
		observe(&node, 7, NULL, MAX_COUNT * 9 / 10, site);
	assert_int_equal(
		culprits__of_mappings(growers__find(&node.growers, 7, 100)->maps, &culprits), 0);
	assert_string_equal(culprits.site.data, "map_one in /bin/mapper");
	culprits__free(&culprits);
	callsite__unref(site);
	free_node(&node);
}

static void mappings_that_have_run_out(void **state)
{
	struct node node = {};

	(void)state;
	observe(&node, 7, NULL, MAX_COUNT * 9 / 10 - 1, NULL);
	evaluate(&node);
	assert_null(node.alerts.all[0]);
	node.s += 5;
	observe(&node, 7, NULL, MAX_COUNT * 9 / 10, NULL);
	evaluate(&node);
	assert_int_equal(only(&node)->state, ALERT_FIRING);
	assert_false(only(&node)->has_slope);
	/* A few less are no end. */
	node.s += 5;
	observe(&node, 7, NULL, MAX_COUNT * 9 / 10 - 100, NULL);
	evaluate(&node);
	assert_int_equal(only(&node)->state, ALERT_FIRING);
	node.s += 5;
	observe(&node, 7, NULL, MAX_COUNT / 2, NULL);
	evaluate(&node);
	assert_int_equal(only(&node)->state, ALERT_RESOLVED);
	free_node(&node);
}

/* --- what is said ----------------------------------------------------------------------------- */

static struct alert *made(struct node *node)
{
	const struct report_container container = container_of("0123456789ab", true);
	struct alert *alert = alerts__add(&node->alerts, ALERT_GROWTH);

	alert->state = ALERT_FIRING;
	alert->pid = 7;
	alert->started = (WALL_S - 100) * NSEC_PER_SEC;
	strcpy(alert->comm, "lea\"ker");
	alert->container = report_container__copy(&container);
	alert->since = WALL_S * NSEC_PER_SEC;
	alert->has_slope = true;
	alert->slope = (struct trend_slope){1234.5678, 1000, 1500.25};
	alert->rss = 500 * MB;
	alert->mappings = 50;
	alert->limit = 1000 * MB;
	alert->limit_at = (WALL_S + 60) * NSEC_PER_SEC;
	buf__puts(&alert->culprits.callsites, "{\"by\":\"map\"},{\"by\":\"touch\"}");
	buf__puts(&alert->culprits.site, "grow in /bin/leaker");
	buf__puts(&alert->culprits.name, "TXMetaCache");
	return alert;
}

static const char *label(const struct notice *notice, const char *name)
{
	for (size_t i = 0; i < notice->n_labels; i++) {
		if (!strcmp(notice->labels[i].name, name))
			return notice->labels[i].value;
	}
	return NULL;
}

static void an_alert_as_json(void **state)
{
	struct buf text = {};
	struct json json = {.out = &text};
	struct node node = {};
	json_t *root;

	(void)state;
	alert__put(&json, made(&node));
	root = json_loadb(text.data, text.len, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "state")), "firing");
	assert_string_equal(json_string_value(json_object_get(root, "kind")), "growth");
	assert_string_equal(json_string_value(json_object_get(root, "comm")), "lea\"ker");
	assert_true(json_real_value(json_object_get(root, "slope_bytes_per_s")) == 1234.568);
	assert_true(json_is_null(json_object_get(root, "slope_mappings_per_s")));
	assert_true(json_real_value(json_object_get(root, "slope_high")) == 1500.25);
	assert_int_equal(json_integer_value(json_object_get(root, "limit")), 1000 * MB);
	assert_string_equal(json_string_value(json_object_get(root, "limit_at")),
			    "2026-11-22T21:31:00.000000Z");
	assert_true(json_is_null(json_object_get(root, "resolved_at")));
	assert_int_equal(json_array_size(json_object_get(root, "callsites")), 2);
	assert_int_equal(json_array_size(json_object_get(root, "names")), 0);
	json_decref(root);
	buf__free(&text);
	free_node(&node);
}

static void an_alert_is_told_and_its_end_once(void **state)
{
	struct arena *arena = arena__new();
	struct node node = {};
	struct alert *alert = made(&node);
	struct notice *notices;
	size_t n;

	(void)state;
	alerts__add(&node.alerts, ALERT_GROWTH); /* of a suspicion nobody is told */
	assert_int_equal(notices__make(&node.alerts, "node-1", arena, &notices, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(label(notices, "alertname"), "MemprovMemoryGrowth");
	assert_string_equal(label(notices, "severity"), "warning");
	assert_string_equal(label(notices, "node"), "node-1");
	assert_string_equal(label(notices, "comm"), "lea\"ker");
	assert_string_equal(label(notices, "pid"), "7");
	assert_string_equal(label(notices, "start_time"), "2026-11-22T21:28:20.000000Z");
	assert_string_equal(label(notices, "container"), "nginx");
	assert_string_equal(label(notices, "pod"), "web-0");
	assert_string_equal(label(notices, "namespace"), "prod");
	assert_int_equal(notices->starts_at, WALL_S * NSEC_PER_SEC);
	assert_int_equal(notices->ends_at, 0);
	assert_string_equal(notices->annotations[0].value,
			    "lea\"ker (process 7) of pod prod/web-0 grows");
	assert_string_equal(
		notices->annotations[1].value,
		"lea\"ker (process 7) of pod prod/web-0: anonymous memory by 101.7 MB/d, 500 MB "
		"resident, limit 1000 MB, reached at 2026-11-22T21:31:00.000000Z; most by grow in "
		"/bin/leaker; most of it named TXMetaCache");
	alerts__end(&node.alerts, alert, (WALL_S + 9) * NSEC_PER_SEC);
	assert_int_equal(notices__make(&node.alerts, "", arena, &notices, &n), 0);
	assert_int_equal(n, 1);
	assert_null(label(notices, "node"));
	assert_int_equal(notices->ends_at, (WALL_S + 9) * NSEC_PER_SEC);
	alert->end_told = true;
	assert_int_equal(notices__make(&node.alerts, "", arena, &notices, &n), 0);
	assert_int_equal(n, 0);
	arena__free(arena);
	free_node(&node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leak_from_suspicion_to_the_end),
		cmocka_unit_test(a_leak_ends_with_its_process),
		cmocka_unit_test(what_is_young_is_waited_for),
		cmocka_unit_test(what_is_not_observed_yet),
		cmocka_unit_test(alerts_are_bounded_and_ended_ones_make_room),
		cmocka_unit_test(a_leak_that_restarts_interrupt),
		cmocka_unit_test(restarts_are_no_leak),
		cmocka_unit_test(containers_are_bounded),
		cmocka_unit_test(mappings_that_run_out),
		cmocka_unit_test(mappings_that_were_there_at_once),
		cmocka_unit_test(mappings_that_have_run_out),
		cmocka_unit_test(an_alert_as_json),
		cmocka_unit_test(an_alert_is_told_and_its_end_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
