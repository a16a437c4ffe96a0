// SPDX-License-Identifier: BSD-2-Clause
/* Trends over a restart of the daemon: growth/kept_trend and trend_file, and history/trend_box
 * below them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "growth/trend_file.h"
#include "history/history.h"
#include "history/schema.h"
#include "proc/statm.h"
#include "report/report.h"
#include "util/clock.h"

#define MB     (1ULL << 20)
#define BOOT_S 5000
#define TICKS  100
#define HOUR   3600

static void observe(struct growers *growers, pid_t pid, const char *id, uint32_t s)
{
	const struct report_container container = {
		.id = id, .namespace = "prod", .pod = "web-0", .name = "nginx"};
	struct report *report = report__new();
	const struct observation o = {
		.report = report, .start_ticks = TICKS, .taken_ns = (BOOT_S + s) * NSEC_PER_SEC};

	report->pid = pid;
	report->container = id ? &container : NULL;
	assert_non_null(growers__observe(growers, &o));
	report__free(report);
}

static void look(struct growers *growers, pid_t pid, uint32_t s, uint64_t anonymous)
{
	const struct proc_memory memory = {.rss = anonymous};

	grower__look(growers__find(growers, pid, TICKS), BOOT_S + s, &memory);
}

/* As the daemon ends and begins: by way of bytes. */
static void restart(struct growers *growers, uint32_t s)
{
	struct trend_set set = STAILQ_HEAD_INITIALIZER(set);
	struct trend_entry *entry;

	trend_file__save(growers, &set);
	growers__free(growers);
	*growers = (struct growers){};
	STAILQ_FOREACH(entry, &set, entry)
	trend_file__restore(growers, entry, BOOT_S + s);
	trend_set__free(&set);
}

static struct trend *trend_of(const struct growers *growers, pid_t pid)
{
	return &growers__find(growers, pid, TICKS)->trend;
}

/* 20 MB an hour on top of a gigabyte shows in days only. Seconds until it is certain. */
static uint32_t find_slow_leak(uint32_t restart_every)
{
	struct growers growers = {};
	uint32_t s, found = 0;
	unsigned window;

	observe(&growers, 7, NULL, 0);
	for (s = 0; s < 96 * HOUR && !found; s += 60) {
		if (s && s % restart_every == 0) {
			restart(&growers, s);
			observe(&growers, 7, NULL, s);
		}
		look(&growers, 7, s, 1024 * MB + 20 * MB * s / HOUR);
		if (trend__state(trend_of(&growers, 7), &window) == TREND_CERTAIN)
			found = s;
	}
	growers__free(&growers);
	return found;
}

static void a_slow_leak_is_found_over_restarts(void **state)
{
	uint32_t undisturbed = find_slow_leak(1000 * HOUR);

	(void)state;
	assert_in_range(undisturbed, 10 * HOUR, 72 * HOUR);
	assert_int_equal(find_slow_leak(5 * HOUR), undisturbed);
}

static void what_was_just_seen_first_begins_anew(void **state)
{
	struct growers growers = {};

	(void)state;
	observe(&growers, 7, NULL, 0);
	for (uint32_t s = 0; s < 60; s += 5)
		look(&growers, 7, s, MB);
	restart(&growers, 60);
	assert_int_equal(HASH_COUNT(growers.kept), 0);
	growers__free(&growers);
}

/* Another process of that number is another one. */
static void what_does_not_come_back_is_forgotten(void **state)
{
	struct growers growers = {};

	(void)state;
	observe(&growers, 7, NULL, 0);
	for (uint32_t s = 0; s < 700; s += 5)
		look(&growers, 7, s, 90 * MB);
	restart(&growers, 700);
	observe(&growers, 8, NULL, 700);
	assert_int_equal(HASH_COUNT(growers.kept), 1);
	assert_int_equal(trend_of(&growers, 8)->first_s, 0);
	/* A second restart, before it has come. */
	restart(&growers, 710);
	assert_int_equal(HASH_COUNT(growers.kept), 1);
	observe(&growers, 7, NULL, 720);
	assert_int_equal(HASH_COUNT(growers.kept), 0);
	assert_int_equal(trend_of(&growers, 7)->first_s, BOOT_S);
	assert_int_equal(trend_of(&growers, 7)->value, 90 * 1024);
	growers__free(&growers);
}

/* Seen before what was kept is read. */
static void what_is_seen_sooner_has_its_trend_too(void **state)
{
	struct trend_set set = STAILQ_HEAD_INITIALIZER(set);
	struct growers before = {}, growers = {};
	struct trend_entry *entry;

	(void)state;
	observe(&before, 7, "aaaa", 0);
	for (uint32_t s = 0; s < 700; s += 5) {
		look(&before, 7, s, 90 * MB);
		group__pass(before.containers, BOOT_S + s);
	}
	trend_file__save(&before, &set);
	observe(&growers, 7, "bbbb", 701);
	look(&growers, 7, 701, 91 * MB);
	STAILQ_FOREACH(entry, &set, entry)
	trend_file__restore(&growers, entry, BOOT_S + 702);
	assert_int_equal(HASH_COUNT(growers.kept), 2);
	growers__give_kept(&growers);
	assert_int_equal(HASH_COUNT(growers.kept), 0);
	assert_int_equal(trend_of(&growers, 7)->first_s, BOOT_S);
	assert_int_equal(growers.containers->trend.first_s, BOOT_S);
	/* It is another container of that name. */
	assert_int_equal(growers.containers->starts_s, BOOT_S + 702 + CONTAINER_START_S);
	trend_set__free(&set);
	growers__free(&growers);
	growers__free(&before);
}

/* Its processes are found one after the other: the sum does not fall in between. */
static void a_containers_sum_waits_for_its_processes(void **state)
{
	struct growers growers = {};

	(void)state;
	observe(&growers, 7, "aaaa", 0);
	observe(&growers, 8, "aaaa", 0);
	for (uint32_t s = 0; s < 700; s += 5) {
		look(&growers, 7, s, 30 * MB);
		look(&growers, 8, s, 60 * MB);
		group__pass(growers.containers, BOOT_S + s);
	}
	restart(&growers, 700);
	observe(&growers, 7, "aaaa", 702);
	look(&growers, 7, 702, 30 * MB);
	group__pass(growers.containers, BOOT_S + 705);
	assert_int_equal(growers.containers->trend.value, 90 * 1024);
	assert_int_equal(growers.containers->trend.last_s, BOOT_S + 695);
	observe(&growers, 8, "aaaa", 730);
	look(&growers, 8, 730, 61 * MB);
	group__pass(growers.containers, BOOT_S + 760);
	assert_int_equal(growers.containers->trend.value, 91 * 1024);
	assert_int_equal(growers.containers->starts_s, 0);
	growers__free(&growers);
}

static void restore_changed(struct trend_entry *entry, size_t at, uint32_t word, size_t expected)
{
	struct growers growers = {};
	char saved[4];

	memcpy(saved, entry->value.data + at, 4);
	memcpy(entry->value.data + at, &word, 4);
	trend_file__restore(&growers, entry, BOOT_S + 700);
	memcpy(entry->value.data + at, saved, 4);
	assert_int_equal(HASH_COUNT(growers.kept), expected);
	growers__free(&growers);
}

static void what_is_not_sound_is_passed_over(void **state)
{
	struct trend_set set = STAILQ_HEAD_INITIALIZER(set);
	struct growers growers = {};
	struct trend_entry *entry;

	(void)state;
	observe(&growers, 7, NULL, 0);
	for (uint32_t s = 0; s < 700; s += 5)
		look(&growers, 7, s, 90 * MB);
	trend_file__save(&growers, &set);
	growers__free(&growers);
	entry = STAILQ_FIRST(&set);
	const size_t trend = 8, window = trend + offsetof(struct trend, windows);

	restore_changed(entry, 0, 1, 1); /* as it was */
	restore_changed(entry, 0, 2, 0);
	restore_changed(entry, 4, 2, 0);
	restore_changed(entry, trend + offsetof(struct trend, first_s), 0, 0);
	restore_changed(entry, trend + offsetof(struct trend, last_s), BOOT_S + 701, 0);
	restore_changed(entry, window + offsetof(struct trend_window, newest), 3, 0);
	restore_changed(entry, window + offsetof(struct trend_window, n), TREND_KEPT, 0);
	restore_changed(entry, window + offsetof(struct trend_window, state), 4, 0);
	restore_changed(entry, window + offsetof(struct trend_window, rising_s), UINT32_MAX, 0);
	entry->value.len--;
	restore_changed(entry, 0, 1, 0);
	trend_set__free(&set);
}

/* --- the file --------------------------------------------------------------------------------- */

struct files {
	char dir[32], file[64];
};

static int make_dir(void **state)
{
	static struct files files;

	strcpy(files.dir, "/tmp/test-kept-XXXXXX");
	*state = &files;
	if (!mkdtemp(files.dir))
		return -1;
	snprintf(files.file, sizeof(files.file), "%s/history.db", files.dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", ((struct files *)*state)->dir);
	return system(command);
}

static struct history *open_history(const char *file)
{
	const struct history_config config = {
		.file = file, .keep_s = 3600, .max_bytes = 8 * MB, .proc = "/proc"};
	struct history *history = history__new(&config);

	assert_non_null(history);
	assert_int_equal(history__start(history, NULL), 0);
	return history;
}

static void keep(struct history *history, const char *const names[])
{
	struct trend_set set = STAILQ_HEAD_INITIALIZER(set);

	for (size_t i = 0; names[i]; i++) {
		struct trend_entry *entry = calloc(1, sizeof(*entry));

		buf__puts(&entry->name, names[i]);
		buf__puts(&entry->container, "id");
		buf__add(&entry->value, "\0x", 2);
		entry->offset = -5 - (int64_t)i;
		STAILQ_INSERT_TAIL(&set, entry, entry);
	}
	history__keep_trends(history, &set);
	assert_true(STAILQ_EMPTY(&set));
}

static void note(const struct trend_entry *entry, void *ctx)
{
	assert_string_equal(entry->container.data, "id");
	assert_int_equal(entry->value.len, 2);
	assert_memory_equal(entry->value.data, "\0x", 2);
	buf__printf(ctx, "%s:%d ", entry->name.data, (int)entry->offset);
}

static void assert_kept(struct history *history, const char *expected)
{
	_cleanup_buf_ struct buf names = {};

	history__each_trend(history, note, &names);
	assert_string_equal(names.data ?: "", expected);
}

static void exec_on(const char *file, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void the_last_set_is_kept_by_the_file(void **state)
{
	struct files *f = *state;
	struct history *history = open_history(f->file);

	assert_kept(history, "");
	keep(history, (const char *const[]){"a", "b", NULL});
	keep(history, (const char *const[]){"a", "c", NULL});
	history__free(history);

	history = open_history(f->file);
	assert_kept(history, "a:-5 c:-6 ");
	history__free(history);
	/* Nothing new was kept. */
	history = open_history(f->file);
	assert_kept(history, "a:-5 c:-6 ");
	keep(history, (const char *const[]){NULL});
	history__free(history);
	history = open_history(f->file);
	assert_kept(history, "");
	history__free(history);
}

/* Times count from the boot. */
static void those_of_another_boot_are_not_visited(void **state)
{
	struct files *f = *state;
	struct history *history = open_history(f->file);

	keep(history, (const char *const[]){"a", NULL});
	history__free(history);
	exec_on(f->file, "UPDATE trend SET boot = 'another'");
	history = open_history(f->file);
	assert_kept(history, "");
	history__free(history);
}

static void a_file_of_the_version_before(void **state)
{
	struct files *f = *state;
	struct history *history = open_history(f->file);
	struct history_stats stats;

	history__free(history);
	exec_on(f->file, "INSERT INTO kill VALUES(9, 0, 'j', 'l', 't'); DROP TABLE trend;"
			 " PRAGMA user_version = 1");
	history = open_history(f->file);
	keep(history, (const char *const[]){"a", NULL});
	history__free(history);

	exec_on(f->file, "UPDATE kill SET line = 'there' WHERE id = 9");
	history = open_history(f->file);
	assert_kept(history, "a:-5 ");
	history__stats(history, &stats);
	for (size_t i = 0; i < HISTORY_CAUSES; i++)
		assert_int_equal(stats.errors[i].count, 0);
	history__free(history);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_leak_is_found_over_restarts),
		cmocka_unit_test(what_was_just_seen_first_begins_anew),
		cmocka_unit_test(what_does_not_come_back_is_forgotten),
		cmocka_unit_test(what_is_seen_sooner_has_its_trend_too),
		cmocka_unit_test(a_containers_sum_waits_for_its_processes),
		cmocka_unit_test(what_is_not_sound_is_passed_over),
		WITH_DIR(the_last_set_is_kept_by_the_file),
		WITH_DIR(those_of_another_boot_are_not_visited),
		WITH_DIR(a_file_of_the_version_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
