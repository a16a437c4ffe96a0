// SPDX-License-Identifier: BSD-2-Clause
/* What a profile of a process with very many call sites costs: build/bench/bench_pprof [SITES
 * [FILE]]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../unit/made_sites.h"
#include "report/encode.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define DEPTH	  24
#define FUNCTIONS 4000
#define CALLS	  2 /* places in each function that call */
#define THREADS	  32
#define ROUNDS	  20

/* As real ones are: the outer frames are shared by many, the inner ones by few. */
static struct callsite *site_of(struct arena *arena, size_t number)
{
	struct frame frames[DEPTH];

	for (size_t i = 0; i < DEPTH; i++) {
		size_t f = (number >> (i / 2)) * 31 % FUNCTIONS + i;

		frames[i] = (struct frame){
			.function = arena__printf(arena,
						  "application::module_%zu::handle_request_%zu("
						  "std::vector<int> const&)",
						  f % 97, f),
			.file = arena__printf(arena, "/usr/src/application/src/module_%zu.cc",
					      f % 97),
			.line = f % 1000 + number % CALLS,
			.inlined = i % 4 == 1,
			.module = arena__printf(arena, "/usr/lib/application/libmodule%zu.so",
						f % 13),
			.build_id = "93ac61ec5a8eb1396f9fbd350e3169a558528a40",
			.offset = f * 512 + number % CALLS * 16,
		};
	}
	return make_site(frames, DEPTH, false);
}

static struct report *make_report(size_t n_sites)
{
	struct report *report = report__new();
	struct part *parts = arena__alloc(report->strings, n_sites * 2 * sizeof(*parts));

	report->taken_at = clock__wall_ns();
	report->pid = 4242;
	report->comm = "application";
	report->exe = "/usr/bin/application";
	report->sites = arena__alloc(report->strings, n_sites * sizeof(*report->sites));
	report->n_sites = n_sites;
	report->regions = parts;
	report->n_regions = n_sites * 2;
	for (size_t i = 0; i < n_sites * 2; i++) {
		struct site_row *row = &report->sites[i / 2];

		if (!row->site)
			row->site = site_of(report->strings, i / 2);
		row->rss += 65536;
		parts[i] = (struct part){
			.start = 0x7f0000000000 + i * 65536,
			.end = 0x7f0000000000 + (i + 1) * 65536,
			.rss = 65536,
			.callsite = row->site,
			.given_name =
				i % 3 ? NULL : arena__printf(report->strings, "cache %zu", i / 30),
		};
		snprintf(parts[i].thread, sizeof(parts[i].thread), "worker-%zu", i % THREADS);
		report->totals.rss += parts[i].rss;
	}
	report->by_coverage[COVERAGE_ATTRIBUTED] = report->totals.rss;
	report__number_sites(report);
	return report;
}

static void write_file(const char *path, const struct buf *out)
{
	_cleanup_file_ FILE *file = fopen(path, "w");

	if (file)
		fwrite(out->data, 1, out->len, file);
}

/* Of this process alone: other work of the machine is not in it. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

int main(int argc, char **argv)
{
	struct encode_options options = {.all = true};
	struct report *report = make_report(argc > 1 ? atoi(argv[1]) : 5000);
	uint64_t best = UINT64_MAX, worst = 0;
	size_t len = 0;

	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_buf_ struct buf out = {};
		uint64_t start = cpu_ns(), took;

		encode__pprof(report, &options, &out);
		took = cpu_ns() - start;
		best = took < best ? took : best;
		worst = took > worst ? took : worst;
		len = out.len;
		if (!i && argc > 2)
			write_file(argv[2], &out);
	}
	printf("%zu call sites of %d frames, %zu regions: %.1f to %.1f ms of CPU, %zu bytes\n",
	       report->n_sites, DEPTH, report->n_regions, best / 1e6, worst / 1e6, len);
	report__free(report);
	return 0;
}
