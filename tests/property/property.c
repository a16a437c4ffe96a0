// SPDX-License-Identifier: BSD-2-Clause
/*
 * What issue 3 says must hold, on the kernel that we run on: random sequences of calls by
 * known creators, with everything that memprov knows of them compared every few steps.
 *
 *   property                         all of it, for PROPERTY_SECONDS (60)
 *   property --seed N [--lossy] [--skip 1,2,...]   one sequence, with its steps
 *   property --replay FILE           a recording through the same code, and the final ledgers
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "property.h"
#include "sequence.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include "../unit/replay.h"

#define SECONDS_DEFAULT 60
#define SEQUENCES	1000 /* of each kind, when no time is asked for */
#define HUGE_PAGES	8
#define RECORDING_MAX	(64 << 20)

static const char nr_hugepages[] = "/proc/sys/vm/nr_hugepages";

struct fixture {
	struct tracer *tracer;
	struct shared *shared;
	long huge_pages; /* as they were; -1: not changed */
};

static char where[4096]; /* failures are saved beside the program */

/* --- huge pages ---------------------------------------------------------------------------- */

static long read_huge_pages(void)
{
	_cleanup_file_ FILE *f = fopen(nr_hugepages, "re");
	long n;

	return f && fscanf(f, "%ld", &n) == 1 ? n : -1;
}

static void write_huge_pages(long n)
{
	_cleanup_file_ FILE *f = fopen(nr_hugepages, "we");

	if (f)
		fprintf(f, "%ld\n", n);
}

static int set_up(void **state)
{
	static struct fixture f;
	char why[256];

	f.huge_pages = read_huge_pages();
	if (f.huge_pages >= 0)
		write_huge_pages(f.huge_pages + HUGE_PAGES);
	f.shared = shared__new();
	if (!f.shared) {
		perror("what targets share cannot be made");
		return -1;
	}
	if (tracer__new(&f.tracer, why, sizeof(why))) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tracer__free(f->tracer);
	shared__free(f->shared);
	if (f->huge_pages >= 0)
		write_huge_pages(f->huge_pages);
	return 0;
}

/* --- sequences ----------------------------------------------------------------------------- */

static uint64_t first_seed(void)
{
	const char *text = getenv("PROPERTY_SEED");

	return text ? strtoull(text, NULL, 0) : clock__wall_ns() / 1000000 % 1000000000;
}

static void run_sequences(struct fixture *f, bool lossy)
{
	const char *text = getenv("PROPERTY_SECONDS");
	uint64_t seconds = text ? strtoull(text, NULL, 0) : SECONDS_DEFAULT;
	uint64_t began = clock__boot_ns(), end = began + seconds * NSEC_PER_SEC / 2, seed;
	uint64_t first = first_seed(), n = 0, in_full = 0;
	const struct tracer_counts *counts = tracer__counts(f->tracer);
	struct tracer_counts before = *counts;
	char why[1024];
	int err = 0;

	for (; !err && clock__boot_ns() < end && (text || n < SEQUENCES); n++) {
		struct sequence s = {.seed = seed = first + n, .lossy = lossy};

		err = sequence__run(f->tracer, f->shared, &s, why, sizeof(why));
		in_full += tracer__has_all_touches(f->tracer);
		if (err != -ENOTRECOVERABLE)
			continue;
		fprintf(stderr, "seed %lu%s: %s\n", seed, lossy ? " (lossy)" : "", why);
		sequence__shrink(f->tracer, f->shared, &s);
		if (sequence__run(f->tracer, f->shared, &s, why, sizeof(why)))
			fprintf(stderr, "shrunk to:\n");
		sequence__tell(f->tracer, f->shared, &s, why, where);
	}
	if (err)
		fail_msg("seed %lu: %s", seed, why);
	print_message("%lu sequences%s of %d steps from seed %lu, %llu a second; %lu events, "
		      "%lu of them lost; %lu with a sample of each fault\n",
		      n, lossy ? " with losses" : "", SEQUENCE_STEPS, first,
		      n * NSEC_PER_SEC / (clock__boot_ns() - began), counts->events - before.events,
		      counts->lost - before.lost, in_full);
}

static void test_sequences(void **state)
{
	run_sequences(*state, false);
}

static void test_sequences_with_losses(void **state)
{
	run_sequences(*state, true);
}

/* --- by hand ------------------------------------------------------------------------------- */

static int run_one(struct sequence *s)
{
	struct fixture *f;
	void *state;
	char why[1024] = "all holds";
	int err;

	if (set_up(&state))
		return 1;
	f = state;
	err = sequence__run(f->tracer, f->shared, s, why, sizeof(why));
	sequence__tell(f->tracer, f->shared, s, why, where);
	tear_down(&state);
	return err ? 1 : 0;
}

static int replay_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct buf recording = {0}, trace = {0}, ledgers = {0};
	int err = fd < 0 ? -errno : buf__read_fd(&recording, fd, RECORDING_MAX);

	if (!err)
		err = replay(recording.data, recording.len, &trace, &ledgers);
	fwrite(trace.data, 1, trace.len, stderr);
	fwrite(ledgers.data, 1, ledgers.len, stdout);
	if (err)
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
	return err ? 1 : 0;
}

static void parse_skip(struct sequence *s, char *list)
{
	for (char *save, *word = strtok_r(list, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		unsigned long step = strtoul(word, NULL, 10);

		if (step && step <= SEQUENCE_STEPS)
			s->skip[step - 1] = true;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"lossy", no_argument, NULL, 'l'},
						{"skip", required_argument, NULL, 'k'},
						{"replay", required_argument, NULL, 'r'},
						{0}};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sequences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sequences_with_losses, set_up, tear_down),
		cmocka_unit_test(test_racing),
		cmocka_unit_test(test_the_reader_is_woken),
		cmocka_unit_test(test_fork_exec_storm),
	};
	struct sequence s = {0};
	bool one = false;
	int option;

	if (argc == 5 && !strcmp(argv[1], "--go-on"))
		target__go_on(argv + 2);
	snprintf(where, sizeof(where), "%s", argv[0]);
	dirname(where);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			s.seed = strtoull(optarg, NULL, 0);
			one = true;
			break;
		case 'l':
			s.lossy = true;
			break;
		case 'k':
			parse_skip(&s, optarg);
			break;
		case 'r':
			return replay_file(optarg);
		default:
			return 2;
		}
	}
	if (one)
		return run_one(&s);
	if (optind < argc)
		cmocka_set_test_filter(argv[optind]);
	return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
