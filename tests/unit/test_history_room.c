// SPDX-License-Identifier: BSD-2-Clause
/* History whose file is too small for all that is known at once; and processes whose end is not
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history/history_parts.h"
#include "history/store.h"
#include "made_sites.h"
#include "report/report.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define PROCESSES 150
#define SITES	  64 /* of each, which no other has */
#define MB	  (1LL << 20)
#define TICKS	  16 /* until all are written */

static char dir[] = "/tmp/test-room-XXXXXX";
static char file[64], proc[64];

static const char *directory_of(pid_t pid)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	return path;
}

static int make_dir(void **state)
{
	int err;

	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/history.db", dir);
	snprintf(proc, sizeof(proc), "%s/proc", dir);
	err = mkdir(proc, 0700);
	for (pid_t pid = 1; pid <= PROCESSES; pid++)
		err = err ?: mkdir(directory_of(pid), 0700);
	return err;
}

static int remove_dir(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static struct callsite *site_of(pid_t pid, size_t n)
{
	char function[32];
	const struct frame frames[] = {
		{.function = "mmap64", .module = "/lib/libc.so.6", .offset = 0x100},
		{.function = function, .module = "/bin/many", .build_id = "ab", .offset = n},
		{.function = "main", .module = "/bin/many", .build_id = "ab", .offset = 0x2000},
	};

	snprintf(function, sizeof(function), "keep_%d_%zu", pid, n);
	return make_site(frames, 3, false);
}

static void observe(struct history *h, pid_t pid)
{
	struct site_row rows[SITES] = {};
	struct report *report = report__new();
	const struct observation o = {
		.report = report, .start_ticks = 100, .taken_ns = clock__boot_ns(), .summed = true};

	report->pid = pid;
	report->comm = "many";
	report->start_time = clock__wall_ns();
	for (size_t i = 0; i < SITES; i++) {
		rows[i].site = site_of(pid, i);
		rows[i].rss = (SITES - i) * MB;
		report->totals.rss += rows[i].rss;
	}
	report->by_category[CATEGORY_ANON_RW] = report->totals.rss;
	report->sites = rows;
	report->n_sites = SITES;
	h->observer.observed(h->observer.ctx, &o);
	report->n_sites = 0;
	for (size_t i = 0; i < SITES; i++)
		callsite__unref(rows[i].site);
	report__free(report);
}

static uint64_t errors(struct history *h)
{
	struct history_stats stats;
	uint64_t sum = 0;

	history__stats(h, &stats);
	for (size_t i = 0; i < HISTORY_CAUSES; i++)
		sum += stats.errors[i].count;
	return sum;
}

static int64_t ask(struct history *h, const char *sql)
{
	_cleanup_db_ sqlite3 *db = NULL;
	int64_t n = 0;

	assert_int_equal(history__open(h, &db), 0);
	assert_int_equal(db__get_of(db, sql, &n), 0);
	return n;
}

static struct history *new_history(const char *in_file)
{
	const struct history_config config = {
		.file = in_file, .keep_s = 3600, .max_bytes = MB, .proc = proc};
	struct history *h = history__new(&config);

	assert_non_null(h);
	return h;
}

static void tick_once(struct history *h, uint64_t number)
{
	struct stat st;

	history__tick(h, number);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size + store__log_bytes(h->store) <= MB);
	assert_true(store__log_bytes(h->store) <= h->store->max_log);
}

/* Each process has its point, and the largest of its call sites; the others are told to be missing.
 */
static void what_fits_is_written(void **state)
{
	struct history *h = new_history(file);
	uint64_t before, tick = 1;
	size_t most;

	for (pid_t pid = 1; pid <= PROCESSES; pid++)
		observe(h, pid);
	do {
		before = errors(h);
		most = h->target.most;
		tick_once(h, tick);
	} while (errors(h) > before && ++tick < TICKS);
	assert_true(tick > 1 && tick < TICKS);
	assert_true(TAILQ_EMPTY(&h->notes.taken));
	assert_int_equal(ask(h,
			     "SELECT count(DISTINCT series) FROM point JOIN series ON id = series"
			     " WHERE kind = 1"),
			 PROCESSES);
	assert_true(ask(h, "SELECT count(*) FROM share WHERE of = 0") >= PROCESSES);
	assert_true(ask(h, "SELECT count(*) FROM share WHERE of = 0") < PROCESSES * SITES / 2);
	assert_int_equal(ask(h, "SELECT min(rss) FROM share WHERE of = 0 AND series IN (SELECT id"
				" FROM series WHERE kind = 1 AND pid = 7)") /
				 MB,
			 SITES - most + 1);

	/* And so it goes on. */
	before = errors(h);
	for (pid_t pid = 1; pid <= PROCESSES; pid++)
		observe(h, pid);
	for (int i = 0; i < 3; i++)
		tick_once(h, ++tick);
	assert_int_equal(errors(h), before);
	history__free(h);
}

/* As when a sample of it was made before its end was told, and told after. */
static void one_that_is_gone(void **state)
{
	struct history *h = new_history(NULL);

	history__tick(h, 1);
	observe(h, 1);
	observe(h, 2);
	assert_int_equal(rmdir(directory_of(2)), 0);
	history__tick(h, 2);
	assert_int_equal(members__count(h->members), 2);
	history__tick(h, 6);
	assert_int_equal(members__count(h->members), 1);
	assert_int_equal(ask(h, "SELECT pid FROM point JOIN series ON id = series"
				" WHERE kind = 1 AND rss IS NULL"),
			 2);
	assert_int_equal(mkdir(directory_of(2), 0700), 0);
	history__free(h);
}

/* A call site of a program that has ended is held by none that remembers its number. */
static void call_sites_go(void **state)
{
	struct history *h = new_history(NULL);
	struct callsite *site = site_of(1, 0);
	unsigned refs = site->refs;

	observe(h, 1);
	history__tick(h, 1);
	assert_int_equal(site->refs, refs + 1);
	for (uint64_t minute = 1; minute <= 5; minute++)
		history__tick(h, 6 * minute);
	assert_int_equal(site->refs, refs + 1);
	history__tick(h, 36);
	assert_int_equal(site->refs, refs);
	callsite__unref(site);
	history__free(h);
}

/* Of some of the processes, what they add up to is not told. */
static void sums_are_of_all(void **state)
{
	static const char points[] =
		"SELECT count(*) FROM point JOIN series ON series.id = series WHERE kind = 0";
	struct history *h = new_history(NULL);

	observe(h, 1);
	history__tick(h, 1);
	assert_int_equal(ask(h, points), 0);
	observe(h, 2);
	h->observer.met_all(h->observer.ctx);
	history__tick(h, 2);
	assert_int_equal(ask(h, points), 1);
	history__free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_is_written),
		cmocka_unit_test(one_that_is_gone),
		cmocka_unit_test(call_sites_go),
		cmocka_unit_test(sums_are_of_all),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
