// SPDX-License-Identifier: BSD-2-Clause
#include "sequence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare.h"
#include "rng.h"
#include "util/cleanup.h"

#define LOSSY_STEPS (SEQUENCE_STEPS * 2 / 3)
#define SHRINK_RUNS 400
#define SAMPLE_RUNS 3 /* a sample that is missing in each of them is not missing by chance */

struct run {
	struct tracer *tracer;
	struct shared *shared;
	const struct sequence *sequence;
	uint16_t exact_from;
	bool resynced;
	uint32_t nth_of_step; /* events of the step that is being looked at */
	uint32_t step;
};

/* The same event of the same step is lost in every run, whatever other steps are left out. */
static bool lose(const union mp_event *event, void *ctx)
{
	struct run *run = ctx;
	uint64_t at = event->head.time_ns;

	for (uint32_t i = 0; i < LOSSY_STEPS; i++) {
		const struct step_log *log = &run->shared->log[i];

		if (at < log->began_ns || !log->began_ns || (log->ended_ns && at > log->ended_ns))
			continue;
		/* Which of them are sampled is not the same in every run. */
		if (event->head.type == MP_EVENT_TOUCH)
			return rng__mix(run->sequence->seed, i, event->touch.addr / PAGE) % 8 == 0;
		if (run->step != i)
			run->nth_of_step = 0;
		run->step = i;
		return rng__mix(run->sequence->seed, i, run->nth_of_step++) %
			       (2U << run->sequence->seed % 4) ==
		       0;
	}
	return false;
}

static int compare_member(struct run *run, const struct member *member, char *why, size_t len)
{
	struct comparison c = {
		.model = tracer__model(run->tracer),
		.tracer = run->tracer,
		.pid = member->pid,
		.is_child = member != &run->shared->target,
		.shadow = (struct shadow *)&member->shadow,
		.exact_from = run->exact_from,
		.resynced = run->resynced,
	};
	int err = compare__process(&c);

	/* A report would correct the ledger now. */
	if (!err && c.has_unmapped && !run->sequence->lossy) {
		err = compare__resync(c.model, c.pid);
		c.resynced = true;
		if (!err)
			err = compare__process(&c);
		for (size_t i = 0; i < SHADOW_PAGES; i++)
			c.shadow->pages[i].ghost = c.shadow->pages[i].stale = false;
	}
	if (err)
		snprintf(why, len, "%s%s", c.why[0] ? c.why : strerror(-err),
			 c.resynced ? " (after a resync)" : "");
	return err;
}

/* Children that have ended are not in the model. */
static int compare_census(struct run *run, char *why, size_t len)
{
	_cleanup_free_ struct known_process *known = NULL;
	size_t n;
	int err = model__processes(tracer__model(run->tracer), &known, &n);

	for (size_t i = 0; !err && !run->sequence->lossy && i < n; i++) {
		char path[32];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d", known[i].tgid);
		if (stat(path, &st)) {
			snprintf(why, len, "process %d has ended, and is in the model",
				 known[i].tgid);
			err = -ENOTRECOVERABLE;
		}
	}
	return err;
}

static int for_members(struct run *run,
		       int (*fn)(struct run *, const struct member *, char *, size_t), char *why,
		       size_t len)
{
	int err = fn(run, &run->shared->target, why, len);

	for (int i = 0; !err && i < CHILDREN; i++) {
		if (run->shared->children[i].pid)
			err = fn(run, &run->shared->children[i], why, len);
	}
	return err;
}

static int resync_member(struct run *run, const struct member *member, char *why, size_t len)
{
	int err = compare__resync(tracer__model(run->tracer), member->pid);

	if (err)
		snprintf(why, len, "%d cannot be learned: %s", member->pid, strerror(-err));
	return err;
}

static int check(struct run *run, char *why, size_t len)
{
	int err = tracer__drain(run->tracer);

	if (err) {
		snprintf(why, len, "the ring could not be drained: %s", strerror(-err));
		return err;
	}
	err = for_members(run, compare_member, why, len);
	return err ? err : compare_census(run, why, len);
}

static int resync(struct run *run, uint32_t now, char *why, size_t len)
{
	int err = for_members(run, resync_member, why, len);

	run->exact_from = now + 1;
	run->resynced = true;
	return err ? err : check(run, why, len);
}

static int take_steps(struct run *run, char *why, size_t len)
{
	uint64_t rng = run->sequence->seed ^ 0x5eed;
	uint32_t now = 0, next;
	int err = check(run, why, len);

	while (!err && now < SEQUENCE_STEPS) {
		/* Losses are told with the events of one drain: the more, the more can go wrong. */
		next = now + 1 + rng__below(&rng, run->sequence->lossy ? 20 : 8);
		if (run->sequence->lossy && now < LOSSY_STEPS && next > LOSSY_STEPS)
			next = LOSSY_STEPS;
		now = next < SEQUENCE_STEPS ? next : SEQUENCE_STEPS;
		if (target__advance(run->shared, now)) {
			snprintf(why, len, "the target died");
			return -ENOTRECOVERABLE;
		}
		run->resynced = false;
		err = check(run, why, len);
		if (!err && run->sequence->lossy && now == LOSSY_STEPS)
			err = resync(run, now, why, len);
	}
	return err;
}

static int run_once(struct tracer *tracer, struct shared *shared, const struct sequence *sequence,
		    char *why, size_t why_len)
{
	struct run run = {.tracer = tracer,
			  .shared = shared,
			  .sequence = sequence,
			  .exact_from = sequence->lossy ? UINT16_MAX : 0};
	int err;

	steps__generate(sequence->seed, FAMILY_ALL, shared->steps, SEQUENCE_STEPS);
	memcpy(shared->skip, sequence->skip, sizeof(shared->skip));
	err = tracer__begin(tracer, sequence->lossy ? lose : NULL, &run);
	if (!err)
		err = target__start(shared);
	if (err) {
		snprintf(why, why_len, "the target cannot be started: %s", strerror(-err));
		return err;
	}
	err = tracer__drain(tracer);
	if (!err)
		err = resync_member(&run, &shared->target, why, why_len);
	if (!err)
		err = take_steps(&run, why, why_len);
	target__stop(shared);
	return err;
}

int sequence__run(struct tracer *tracer, struct shared *shared, const struct sequence *sequence,
		  char *why, size_t why_len)
{
	int err = -ENODATA;

	for (int i = 0; err == -ENODATA && i < SAMPLE_RUNS; i++)
		err = run_once(tracer, shared, sequence, why, why_len);
	return err == -ENODATA ? -ENOTRECOVERABLE : err;
}

void sequence__shrink(struct tracer *tracer, struct shared *shared, struct sequence *sequence)
{
	char why[512];
	int runs = 0;
	bool shorter;

	for (unsigned chunk = SEQUENCE_STEPS / 2; chunk; chunk = shorter ? chunk : chunk / 2) {
		shorter = false;
		for (unsigned at = 0; at < SEQUENCE_STEPS && runs < SHRINK_RUNS; at += chunk) {
			struct sequence less = *sequence;

			for (unsigned i = at; i < at + chunk && i < SEQUENCE_STEPS; i++)
				less.skip[i] = true;
			if (!memcmp(less.skip, sequence->skip, sizeof(less.skip)))
				continue;
			runs++;
			if (sequence__run(tracer, shared, &less, why, sizeof(why)) ==
			    -ENOTRECOVERABLE) {
				*sequence = less;
				shorter = true;
			}
		}
	}
}

static void save(const char *dir, uint64_t seed, const char *suffix, const void *data, size_t len)
{
	_cleanup_file_ FILE *f = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/failed-%lu.%s", dir, seed, suffix);
	f = fopen(path, "we");
	if (!f || fwrite(data, 1, len, f) != len)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	else
		fprintf(stderr, "  saved: %s\n", path);
}

void sequence__tell(struct tracer *tracer, struct shared *shared, const struct sequence *sequence,
		    const char *why, const char *dir)
{
	const struct buf *recording = tracer__recording(tracer);
	static char text[1 << 18];
	const char *comma = "";

	fprintf(stderr, "seed %lu%s: %s\n", sequence->seed, sequence->lossy ? " (lossy)" : "", why);
	for (unsigned i = 0; i < SEQUENCE_STEPS; i++) {
		const char *log = shared->log[i].text;

		if (sequence->skip[i] || !shared->log[i].began_ns)
			continue;
		fprintf(stderr, "  %2u %s by %u: %s\n", i + 1, op__name(shared->steps[i].op),
			shared->tids[shared->steps[i].worker], log);
		for (int c = 1; shared->steps[i].op == OP_FORK && c < 4; c++) {
			if (log[c * LOG_LEN])
				fprintf(stderr, "     in the child: %s\n", log + c * LOG_LEN);
		}
	}
	shadow__print(&shared->target.shadow, text, sizeof(text));
	save(dir, sequence->seed, "events", recording->data, recording->len);
	save(dir, sequence->seed, "expected", text, strlen(text));
	fprintf(stderr, "  again: property --seed %lu%s", sequence->seed,
		sequence->lossy ? " --lossy" : "");
	for (unsigned i = 0; i < SEQUENCE_STEPS; i++) {
		if (sequence->skip[i]) {
			fprintf(stderr, "%s%u", *comma ? comma : " --skip ", i + 1);
			comma = ",";
		}
	}
	fprintf(stderr, "\n");
}
