// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as the file of history. What is not ours is told so; what passes for ours is read, of
 * the node, of a process and of a pod, and nothing in it makes a reader wrong or slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "diff/difference.h"
#include "history/encode.h"
#include "history/moment.h"
#include "history/store.h"
#include "util/arena.h"
#include "util/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void read_timeline(sqlite3 *db, const struct selection *selection, struct arena *arena)
{
	const struct timeline_query query = {
		.from_ns = 1795383000 * NSEC_PER_SEC, .to_ns = 1795386600 * NSEC_PER_SEC, .top = 9};
	const struct encode_options options = {};
	struct timeline timeline;
	struct buf text = {};

	if (timeline__read(db, selection, &query, arena, &timeline))
		return;
	for (size_t i = 1; i < timeline.n; i++)
		check(timeline.points[i - 1].at_ms < timeline.points[i].at_ms);
	check(timeline.n_sites <= query.top);
	timeline__encode_json(&timeline, selection, &options, &text);
	timeline__encode_text(&timeline, selection, &options, &text);
	buf__free(&text);
}

static void read_difference(sqlite3 *db, const struct selection *selection)
{
	struct saved *a = NULL, *b = NULL;
	struct difference *difference;

	if (!moment__read(db, selection, 0, false, &a) &&
	    !moment__read(db, selection, 1795386600 * NSEC_PER_SEC, true, &b) &&
	    !difference__new(a, b, &difference))
		difference__free(difference);
	saved__free(a);
	saved__free(b);
}

static void read_one(sqlite3 *db, const struct history_selector *selector)
{
	struct arena *arena = arena__new();
	struct selection selection;

	if (arena && !selection__find(db, selector, arena, &selection)) {
		read_timeline(db, &selection, arena);
		read_difference(db, &selection);
	}
	arena__free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char file[64];
	sqlite3 *db;
	FILE *f;

	snprintf(file, sizeof(file), "/dev/shm/memprov-fuzz-%d", getpid());
	f = fopen(file, "w");
	if (!f)
		return 0;
	fwrite(data, 1, size, f);
	fclose(f);
	if (!store__open_reader(file, NULL, &db)) {
		if (!schema__check(db)) {
			read_one(db, &(struct history_selector){});
			read_one(db, &(struct history_selector){.pid = 7});
			read_one(db,
				 &(struct history_selector){.namespace = "prod", .pod = "web-0"});
		}
		sqlite3_close(db);
	}
	unlink(file);
	return 0;
}
