// SPDX-License-Identifier: BSD-2-Clause
/* The store of history: what ages, what a bound takes, files that are not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "history/schema.h"
#include "past.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define BYTES (8u << 20)
#define DAY_S (24 * 3600LL)
#define HOUR  3600LL

/* --- ages ------------------------------------------------------------------------------------- */

/* An hour, in which the process is seen every ten seconds with some more. */
static void grow_for_an_hour(struct past *p, int64_t from_s)
{
	past__begin_span(p, from_s);
	for (int64_t s = 0; s < HOUR; s += 10) {
		past__see(p, from_s + s, (struct state){.pid = 7, .mb = {1 + (from_s + s) / 10}});
		assert_int_equal(ages__fit(p->target.store, p->target.words, p->target.span.id), 0);
	}
	past__end_span(p, from_s + HOUR);
}

static void advance(struct past *p, int64_t now_s, uint64_t keep_s)
{
	assert_int_equal(ages__advance(p->target.store, p->target.words, MS(now_s), keep_s,
				       p->target.span.id),
			 0);
}

#define POINTS_OF_7                                                                                \
	"SELECT count(*) FROM point WHERE series = (SELECT id FROM series WHERE pid = 7)"

static void older_rows_are_fewer(void **state)
{
	struct timeline t;
	struct past p;

	past__open(&p, NULL, BYTES);
	grow_for_an_hour(&p, 0);
	past__begin_span(&p, HOUR);
	past__end_span(&p, HOUR);
	assert_int_equal(past__count(&p, POINTS_OF_7 " AND span = 1"), 360);

	advance(&p, 2 * HOUR, 14 * DAY_S);
	assert_int_equal(past__count(&p, POINTS_OF_7 " AND span = 1"), 360);
	advance(&p, 2 * HOUR + 1, 14 * DAY_S);
	/* The last of each minute, and the first of all. */
	assert_int_equal(past__count(&p, POINTS_OF_7 " AND span = 1"), 61);
	t = past__read(&p, (struct history_selector){.pid = 7}, 0, HOUR, 60);
	assert_int_equal(t.points[0].amounts[AMOUNT_RSS], 2 * MB);
	/* At a minute's end it is known to the byte. */
	assert_int_equal(t.points[1].at_ms, MS(60));
	assert_int_equal(t.points[1].amounts[AMOUNT_RSS], (1 + 5 + 1) * MB);
	assert_int_equal(t.points[59].amounts[AMOUNT_RSS], (1 + 353 + 1) * MB);
	assert_int_equal(t.sites[0].rss[59], (1 + 353) * MB);

	advance(&p, 25 * HOUR + 1, 14 * DAY_S);
	assert_int_equal(past__count(&p, POINTS_OF_7 " AND span = 1"), 7);
	assert_int_equal(past__count(&p, "SELECT step FROM span WHERE id = 1"), 600);
	past__close(&p);
}

static void what_is_too_old_goes_with_its_names(void **state)
{
	struct past p;

	past__open(&p, NULL, BYTES);
	grow_for_an_hour(&p, 0);
	past__end(&p, HOUR, 7);
	past__begin_span(&p, HOUR);
	past__see(&p, HOUR, (struct state){.pid = 8, .mb = {0, 1}, .comm = "other"});
	assert_int_equal(past__count(&p, "SELECT count(*) FROM site"), 2);

	advance(&p, HOUR + 14 * DAY_S + 1, 14 * DAY_S);
	assert_int_equal(past__count(&p, "SELECT min(id) FROM span"), 2);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM point WHERE span = 1"), 0);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM share WHERE span = 1"), 0);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM site"), 1);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM series WHERE pid = 7"), 0);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM string WHERE text = 'grow'"), 0);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM string WHERE text = 'leaker'"), 0);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM string WHERE text = 'keep'"), 1);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM string WHERE text = 'other'"), 1);
	past__close(&p);
}

/* The clock was ten years ahead for a minute: the hour that goes is the oldest, not all. */
static void a_clock_that_is_ahead_takes_little(void **state)
{
	struct past p;

	past__open(&p, NULL, BYTES);
	for (int64_t hour = 0; hour < 10; hour++)
		grow_for_an_hour(&p, hour * HOUR);
	past__begin_span(&p, 10 * HOUR);
	advance(&p, 3650 * DAY_S, 14 * DAY_S);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM span"), 10);
	assert_int_equal(past__count(&p, "SELECT min(id) FROM span"), 2);
	past__close(&p);
}

/* --- the bound -------------------------------------------------------------------------------- */

static void the_oldest_and_finest_goes_first(void **state)
{
	uint64_t used, most = 0;
	struct past p;

	past__open(&p, NULL, 1 << 20);
	for (int64_t hour = 0; hour < 60; hour++) {
		grow_for_an_hour(&p, hour * HOUR);
		assert_int_equal(store__used_pages(p.target.store, &used), 0);
		most = used > most ? used : most;
	}
	assert_true(most <= p.target.store->max_pages);
	assert_true(most > p.target.store->max_pages / 2);
	/* Of those that are left, the older are never finer. */
	assert_int_equal(past__count(&p, "SELECT count(*) FROM span a, span b WHERE a.id < b.id"
					 " AND a.step < b.step"),
			 0);
	assert_true(past__count(&p, "SELECT count(*) FROM span WHERE step = 60") > 0);
	assert_int_equal(past__count(&p, "SELECT max(id) FROM span"), 60);
	past__close(&p);
}

static void the_file_keeps_to_its_bound(void **state)
{
	char dir[] = "/dev/shm/memprov-history-XXXXXX", file[64], log[80];
	struct stat st, log_st;
	off_t most = 0;
	struct past p;

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/h.db", dir);
	snprintf(log, sizeof(log), "%s-wal", file);
	past__open(&p, file, 2 << 20);
	for (int64_t hour = 0; hour < 60; hour++) {
		grow_for_an_hour(&p, hour * HOUR);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(stat(log, &log_st), 0);
		most = st.st_size + log_st.st_size > most ? st.st_size + log_st.st_size : most;
	}
	assert_in_range(most, 1 << 20, 2 << 20);
	past__close(&p);
	unlink(file);
	rmdir(dir);
}

/* --- files that are not ours ------------------------------------------------------------------ */

struct files {
	char dir[40];
	char file[64];
};

static int make_dir(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/dev/shm/memprov-history-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/h.db", f->dir);
	*state = f;
	return 0;
}

static int remove_dir(void **state)
{
	struct files *f = *state;
	char pattern[80];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*", f->dir);
	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
		globfree(&found);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static void write_file(const char *file, const void *bytes, size_t len)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

/* It is there still, to the byte, beside a new one that works. */
static void assert_set_aside(const struct files *f, int cause, const char *says)
{
	_cleanup_buf_ struct buf before = {}, after = {};
	_cleanup_close_ int fd = open(f->file, O_RDONLY);
	char note[STORE_NOTE_LEN], pattern[80];
	struct store *store;
	int why;
	glob_t found;

	assert_int_equal(buf__read_fd(&before, fd, 16 << 20), 0);
	assert_int_equal(store__open(f->file, BYTES, note, &why, &store), 0);
	assert_int_equal(why, cause);
	assert_non_null(strstr(note, says));
	snprintf(pattern, sizeof(pattern), "%s.aside-*", f->file);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	assert_non_null(strstr(note, found.gl_pathv[0]));
	close(fd);
	fd = open(found.gl_pathv[0], O_RDONLY);
	assert_int_equal(buf__read_fd(&after, fd, 16 << 20), 0);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, after.len);
	globfree(&found);
	store__close(store);
	assert_int_equal(store__open(f->file, BYTES, note, &why, &store), 0);
	assert_string_equal(note, "");
	store__close(store);
}

static void random_bytes(void **state)
{
	struct files *f = *state;
	char bytes[20000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * i * 31 + 7;
	write_file(f->file, bytes, sizeof(bytes));
	assert_set_aside(f, -EBADMSG, "is damaged");
}

static void exec_on(const char *file, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void another_programs_database(void **state)
{
	struct files *f = *state;

	exec_on(f->file, "CREATE TABLE bookmarks(url TEXT); INSERT INTO bookmarks VALUES('x')");
	assert_set_aside(f, -ENOEXEC, "is not memprov's");
}

static void make_ours(const struct files *f)
{
	struct past p;

	past__open(&p, f->file, BYTES);
	grow_for_an_hour(&p, 0);
	past__close(&p);
}

static void a_newer_schema(void **state)
{
	struct files *f = *state;

	make_ours(f);
	exec_on(f->file, "PRAGMA user_version = 1000");
	assert_set_aside(f, -EPROTO, "is of a newer memprov");
}

static void a_page_that_is_damaged(void **state)
{
	struct files *f = *state;
	char page[SCHEMA_PAGE];
	struct stat st;
	int fd;

	make_ours(f);
	assert_int_equal(stat(f->file, &st), 0);
	memset(page, 0xa5, sizeof(page));
	fd = open(f->file, O_WRONLY);
	assert_int_equal(pwrite(fd, page, sizeof(page), st.st_size / 2 / SCHEMA_PAGE * SCHEMA_PAGE),
			 sizeof(page));
	close(fd);
	assert_set_aside(f, -EBADMSG, "is damaged");
}

static void a_file_that_was_cut_short(void **state)
{
	struct files *f = *state;
	struct stat st;

	make_ours(f);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(truncate(f->file, st.st_size / 2), 0);
	assert_set_aside(f, -EBADMSG, "is damaged");
}

/* Ours by its marks, without the tables. */
static void tables_that_are_missing(void **state)
{
	struct files *f = *state;

	exec_on(f->file, "CREATE TABLE string(id INTEGER PRIMARY KEY);"
			 "PRAGMA application_id = 1836085878; PRAGMA user_version = 1");
	assert_set_aside(f, -EBADMSG, "is damaged");
}

static void what_cannot_be_opened_stays(void **state)
{
	struct files *f = *state;
	char note[STORE_NOTE_LEN], missing[96];
	struct store *one, *two;
	int why;

	assert_int_equal(store__open(f->dir, BYTES, note, &why, &one), -EISDIR);
	assert_int_equal(store__open("/dev/null", BYTES, note, &why, &one), -EINVAL);
	snprintf(missing, sizeof(missing), "%s/x/h.db", f->dir);
	assert_int_equal(store__open(missing, BYTES, note, &why, &one), -ENOENT);
	/* Another daemon's. */
	assert_int_equal(store__open(f->file, BYTES, note, &why, &one), 0);
	assert_int_equal(store__open(f->file, BYTES, note, &why, &two), -EAGAIN);
	store__close(one);
	assert_int_equal(store__open(f->file, BYTES, note, &why, &two), 0);
	store__close(two);
}

/* A reader has a connection of its own, and sees a whole moment while the next is written. */
static void a_reader_beside_the_writer(void **state)
{
	struct files *f = *state;
	sqlite3 *reader;
	struct past p;
	int64_t n = 0;

	past__open(&p, f->file, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 7, .mb = {1}});
	assert_int_equal(store__open_reader(f->file, NULL, &reader), 0);
	assert_int_equal(db__exec(reader, "BEGIN"), 0);
	assert_int_equal(db__get_of(reader, "SELECT count(*) FROM point", &n), 0);
	assert_int_equal(n, 2);
	past__see(&p, 10, (struct state){.pid = 7, .mb = {2}});
	assert_int_equal(db__get_of(reader, "SELECT count(*) FROM point", &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(db__exec(reader, "COMMIT"), 0);
	assert_int_equal(db__get_of(reader, "SELECT count(*) FROM point", &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(db__exec(reader, "DELETE FROM point"), -EROFS);
	sqlite3_close(reader);
	past__close(&p);
}

/* --- its end ---------------------------------------------------------------------------------- */

/* Until it is killed. */
static void write_for_ever(const char *file)
{
	struct past p;
	int64_t from_s;

	past__open(&p, file, 1 << 20);
	from_s = (past__count(&p, "SELECT coalesce(max(id), 0) FROM span") + 1) * HOUR;
	for (;; from_s += HOUR) {
		grow_for_an_hour(&p, from_s);
		advance(&p, from_s + 2 * HOUR, 14 * DAY_S);
	}
}

static void kill_in_the_middle(const char *file, unsigned us)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		write_for_ever(file);
		_exit(0);
	}
	usleep(us);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void killed_a_hundred_times(void **state)
{
	struct files *f = *state;
	char note[STORE_NOTE_LEN];
	int64_t spans = 0, now = 0;
	int why;

	for (unsigned i = 0; i < 100; i++) {
		_cleanup_statement_ sqlite3_stmt *check = NULL;
		struct store *store;

		kill_in_the_middle(f->file, 5000 + i * 977 % 20000);
		assert_int_equal(store__open(f->file, 1 << 20, note, &why, &store), 0);
		assert_string_equal(note, "");
		assert_int_equal(db__prepare(store->db, "PRAGMA integrity_check", &check), 0);
		assert_int_equal(db__next(check), 1);
		assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
		sqlite3_reset(check);
		assert_int_equal(
			db__get_of(store->db, "SELECT coalesce(max(id), 0) FROM span", &now), 0);
		assert_true(now >= spans);
		spans = now;
		sqlite3_finalize(take_ptr(check));
		store__close(store);
	}
	assert_true(spans > 0);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_rows_are_fewer),
		cmocka_unit_test(what_is_too_old_goes_with_its_names),
		cmocka_unit_test(a_clock_that_is_ahead_takes_little),
		cmocka_unit_test(the_oldest_and_finest_goes_first),
		cmocka_unit_test(the_file_keeps_to_its_bound),
		WITH_DIR(random_bytes),
		WITH_DIR(another_programs_database),
		WITH_DIR(a_newer_schema),
		WITH_DIR(a_page_that_is_damaged),
		WITH_DIR(a_file_that_was_cut_short),
		WITH_DIR(tables_that_are_missing),
		WITH_DIR(what_cannot_be_opened_stays),
		WITH_DIR(a_reader_beside_the_writer),
		WITH_DIR(killed_a_hundred_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
