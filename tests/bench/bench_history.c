// SPDX-License-Identifier: BSD-2-Clause
/*
 * What questions to a full history cost: a week of N processes with 20 call sites each, of which
 * the last day is a row a minute and the last hour one in ten seconds.
 *
 *	bench_history FILE [N]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diff/difference.h"
#include "history/moment.h"
#include "history/store.h"
#include "history/timeline.h"
#include "util/arena.h"
#include "util/clock.h"

#define HOURS	 168
#define BEGAN_MS 1795383000000LL
#define HOUR_MS	 3600000LL

static int fill(struct store *store, int processes)
{
	char sql[2048];

	snprintf(sql, sizeof(sql),
		 "BEGIN;"
		 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)"
		 "INSERT INTO span(id, began, ended, step) SELECT i, %lld + (i-1)*3600000,"
		 " %lld + i*3600000, CASE WHEN i = %d THEN 10 WHEN i > %d THEN 60 ELSE 600 END"
		 " FROM n;"
		 "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < %d)"
		 "INSERT INTO series(id, kind, boot, pid, ticks, container, started, span)"
		 " SELECT i+1, CASE WHEN i THEN 1 ELSE 0 END, 0, i, 0, 0, 0, %d FROM n;"
		 "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+10 FROM n WHERE i < 3590)"
		 "INSERT INTO point SELECT p.id, s.id, n.i*1000, 100000000+n.i*4096, 50000000, 0,"
		 " 30000000, 200000, 100000, 0, 20000000, 40000000, 8192 FROM span p, series s, n"
		 " WHERE n.i %% p.step = 0;",
		 HOURS, BEGAN_MS, BEGAN_MS, HOURS, HOURS - 24, processes, HOURS);
	return db__exec(store->db, sql)
		       ?: db__exec(store->db,
				   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n "
				   "WHERE"
				   " i < 20), a(at) AS (SELECT 0 UNION ALL SELECT at+600 FROM a "
				   "WHERE"
				   " at < 3000)"
				   "INSERT INTO share SELECT p.id, s.id, 0, n.i, a.at*1000,"
				   " 1000000+a.at*100 FROM span p, series s, n, a WHERE n.i <= 4 OR"
				   " a.at = 0;"
				   "INSERT INTO site SELECT DISTINCT what, x'', what, 0, NULL, 0 "
				   "FROM"
				   " share; COMMIT");
}

static int ask(sqlite3 *db, const char *what, const struct history_selector *selector)
{
	const struct timeline_query query = {
		.from_ns = BEGAN_MS * 1000000,
		.to_ns = (BEGAN_MS + HOURS * HOUR_MS) * 1000000,
		.top = 20,
	};
	struct arena *arena = arena__new();
	uint64_t began = clock__monotonic_ns();
	struct saved *a = NULL, *b = NULL;
	struct selection selection;
	struct timeline timeline;
	int err = selection__find(db, selector, arena, &selection);

	err = err ?: timeline__read(db, &selection, &query, arena, &timeline);
	if (!err)
		printf("%s: a week, %zu moments, %zu call sites: %.1f ms\n", what, timeline.n,
		       timeline.n_sites, (clock__monotonic_ns() - began) / 1e6);
	began = clock__monotonic_ns();
	err = err ?: moment__read(db, &selection, query.from_ns, false, &a);
	err = err ?: moment__read(db, &selection, query.to_ns, true, &b);
	if (!err)
		printf("%s: two moments: %.1f ms\n", what, (clock__monotonic_ns() - began) / 1e6);
	saved__free(a);
	saved__free(b);
	arena__free(arena);
	return err;
}

int main(int argc, char **argv)
{
	int cause, err, processes = argc > 2 ? atoi(argv[2]) : 500;
	char note[STORE_NOTE_LEN];
	struct store *store;
	struct stat st;
	sqlite3 *db;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_history FILE [N]\n");
		return 2;
	}
	err = store__open(argv[1], 4ULL << 30, note, &cause, &store);
	err = err ?: fill(store, processes);
	err = err ?: store__open_reader(argv[1], NULL, &db);
	if (err) {
		fprintf(stderr, "bench_history: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	if (!stat(argv[1], &st))
		printf("%d processes: %lld MB\n", processes, (long long)st.st_size >> 20);
	err = ask(db, "the node", &(struct history_selector){});
	err = err ?: ask(db, "a process", &(struct history_selector){.pid = 7});
	sqlite3_close(db);
	store__close(store);
	return err ? 1 : 0;
}
