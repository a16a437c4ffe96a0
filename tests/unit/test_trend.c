// SPDX-License-Identifier: BSD-2-Clause
/* What is a trend, by hand and in a simulation: TREND_SEEDS=60 simulates so many times as much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "growth/trend.h"
#include "trends.h"

#define TWO_DAYS 5 /* the number of that window */
#define SEEDS	 8
#define BOOT_S	 1000 /* when a process begins, since boot */

static const struct trend_rule rule = {.least = 1024};

static uint32_t feed(struct trend *trend, uint32_t from_s, uint32_t to_s, double value, double rate)
{
	for (uint32_t s = from_s; s < to_s; s += 5)
		trend__add(trend, &rule, s, value + rate * (s - from_s));
	return value + rate * (to_s - from_s);
}

static enum trend_state state_of(const struct trend *trend)
{
	unsigned window;

	return trend__state(trend, &window);
}

/* --- by hand ---------------------------------------------------------------------------------- */

static void test_a_leak_is_suspected_then_certain_then_over(void **state)
{
	const struct trend_slope even = {1000, 1000, 1000};
	struct trend_slope slope;
	struct trend trend = {.born_s = 1};
	uint32_t value;

	(void)state;
	value = feed(&trend, 1000, 1300, 50000, 0);
	assert_int_equal(state_of(&trend), TREND_QUIET);
	value = feed(&trend, 1300, 1370, value, 1000);
	assert_int_equal(state_of(&trend), TREND_SUSPECTED);
	value = feed(&trend, 1370, 1460, value, 1000);
	assert_int_equal(state_of(&trend), TREND_CERTAIN);
	assert_true(trend__slope(&trend, 0, &slope));
	assert_memory_equal(&slope, &even, sizeof(even));
	assert_false(trend__slope(&trend, 2, &slope));
	/* What it has it keeps. */
	feed(&trend, 1460, 1900, value, 0);
	assert_int_equal(state_of(&trend), TREND_QUIET);
}

static void test_one_that_is_old_may_be_new_to_us(void **state)
{
	struct trend trend = {};

	(void)state;
	/* It may have begun just now: that it grows for a minute says nothing. */
	feed(&trend, 1000, 1000 + 75, 50000, 1000);
	assert_int_equal(state_of(&trend), TREND_SUSPECTED);
}

static void test_what_is_not_later_is_passed_over(void **state)
{
	struct trend trend = {}, before;

	(void)state;
	feed(&trend, 1000, 1200, 50000, 100);
	before = trend;
	trend__add(&trend, &rule, 1195, 1);
	trend__add(&trend, &rule, 20, 1);
	assert_memory_equal(&trend, &before, sizeof(trend));
}

static void test_a_gap_is_no_growth(void **state)
{
	struct trend trend = {};

	(void)state;
	feed(&trend, 1000, 2000, 50000, 0);
	for (int i = 0; i < 5; i++) {
		feed(&trend, 2000 + i * 1000, 2010 + i * 1000, 50000 << i, 0);
		assert_int_equal(state_of(&trend), TREND_QUIET);
	}
}

static void test_a_tooth_that_comes_again(void **state)
{
	struct trend trend = {.born_s = 1};
	unsigned alarms = 0;

	(void)state;
	/* The first one of four minutes may be anything. */
	for (uint32_t s = 1000; s < 1000 + 20 * 240; s += 240) {
		feed(&trend, s, s + 240, 50000, 500);
		alarms += state_of(&trend) == TREND_CERTAIN;
	}
	assert_true(alarms <= 1);
}

/* --- what is no leak -------------------------------------------------------------------------- */

struct tally {
	unsigned processes, alarms, by_shape[SHAPES];
	double days;
};

static void say(const char *what, const struct process *p, unsigned window, double t)
{
	printf("  %s: %s, %.0f MB, %.2f MB/min from %.0f s on, in a window of %u s, at %.0f s\n",
	       what, shape_names[p->shape], p->base / KIB_OF_MB, p->rate * MINUTE / KIB_OF_MB,
	       p->onset, trend_window__seconds(window), t);
}

/* How often it became certain. */
static unsigned live(const struct process *p, double length, struct chance *c)
{
	enum trend_state state, before = TREND_QUIET;
	struct trend trend = {};
	unsigned window, alarms = 0;

	for (double t = 0; t < length; t += p->interval * chance__between(c, 0.9, 1.1)) {
		if (process__is_in_gap(p, t))
			continue;
		trend__add(&trend, &rule, BOOT_S + t, process__value(p, t, c));
		state = trend__state(&trend, &window);
		if (state == TREND_CERTAIN && before != TREND_CERTAIN) {
			alarms++;
			say("a false alarm", p, window, t);
		}
		before = state;
	}
	return alarms;
}

static void live_all(struct tally *tally, unsigned each, double days, double interval,
		     struct chance *c)
{
	for (unsigned i = 0; i < each * SHAPES; i++) {
		struct process p = process__make(c, i % SHAPES);
		unsigned alarms;

		p.interval = interval;
		alarms = live(&p, days * DAY, c);
		tally->processes++;
		tally->days += days;
		tally->alarms += alarms;
		tally->by_shape[p.shape] += alarms;
	}
}

/* --- leaks ------------------------------------------------------------------------------------ */

struct found {
	unsigned leaks, late, by_window[TREND_WINDOWS];
	double most; /* of what was allowed */
};

/* The shortest window in which it is clearly a growth that matters, when that is certain: beside
 * what it had, more than steps and jobs are, with teeth that fit into a quarter, and none whose
 * quarter is half a day. */
static unsigned window_of(const struct process *p, double had, double known)
{
	static const double parts[TREND_WINDOWS] = {0.22, 0.22, 0.3, 0.35, 0.35, 0.05, 0.05, 0.05};
	bool comes_back = p->shape == SHAPE_STEPS || p->shape == SHAPE_BATCH;
	unsigned i = 0;

	for (; i < TREND_WINDOWS - 1; i++) {
		double growth = p->rate * trend_window__seconds(i);
		bool later = i && known > trend_window__seconds(i);

		/* What is young is waited for. */
		if (!i && known < 600)
			continue;
		double q0 = had + growth * (later ? 0.5 : 1.4);

		if (growth * 0.75 >= fmax(1.1 * parts[i] * q0, rule.least) &&
		    (!comes_back || growth * 0.75 > p->size * p->base) &&
		    (p->shape != SHAPE_SWING || i != TWO_DAYS) &&
		    (p->shape != SHAPE_TEETH || p->length < trend_window__seconds(i) / 4))
			break;
	}
	return i;
}

/* From some moment on, at which it had so much: until then it is to be found. */
struct deadline {
	unsigned window;
	double since, allowed;
};

static struct deadline deadline_of(const struct process *p, double since, double known)
{
	double had = process__peak(p) + p->rate * (since - p->onset);
	unsigned window = window_of(p, had, known);

	return (struct deadline){window, since,
				 fmax(3 * trend_window__seconds(window), had / p->rate)};
}

/* While nothing is seen, nobody can find it: after a gap it is another one. */
static void leak(struct found *found, struct process p, struct chance *c)
{
	struct deadline d = deadline_of(&p, p.onset, p.onset);
	struct trend trend = {};
	bool gap = false;
	unsigned in;
	double t;

	p.interval = fmax(5, trend_window__seconds(d.window) / 240.0);
	for (t = 0; t < d.since + d.allowed; t += p.interval * chance__between(c, 0.9, 1.1)) {
		if (process__is_in_gap(&p, t)) {
			gap = true;
			d.since = fmax(t, d.since);
			continue;
		}
		if (gap && t > p.onset)
			d = deadline_of(&p, t, 0);
		gap = false;
		trend__add(&trend, &rule, BOOT_S + t, fmin(process__value(&p, t, c), UINT32_MAX));
		if (t > p.onset && trend__state(&trend, &in) == TREND_CERTAIN)
			break;
	}
	found->leaks++;
	found->by_window[d.window]++;
	found->most = fmax(found->most, (t - d.since) / d.allowed);
	if (t < d.since + d.allowed)
		return;
	found->late++;
	say("found late", &p, d.window, t);
}

static void leak_all(struct found *found, unsigned each, struct chance *c)
{
	for (unsigned i = 0; i < each * SHAPES; i++) {
		struct process p = process__make(c, i % SHAPES);

		/* 1 MB an hour to 1 GB a minute. */
		p.rate = chance__scale(c, 1 / HOUR, 1024 / MINUTE) * KIB_OF_MB;
		p.base = chance__scale(c, 10, 1500) * KIB_OF_MB;
		if (process__peak(&p) > 1500 * KIB_OF_MB)
			p.base *= 1500 * KIB_OF_MB / process__peak(&p);
		p.onset = chance__part(c) < 0.3 ? 0 : chance__scale(c, MINUTE, 12 * HOUR);
		/* What leaks while it starts is a start. */
		if (p.shape == SHAPE_START)
			p.onset = fmax(p.onset, p.length);
		leak(found, p, c);
	}
}

static void simulate(uint64_t seed, struct tally *tally, struct found *found)
{
	struct chance c = {seed * 0x9e3779b97f4a7c15ULL};

	live_all(tally, 20, 1, 5, &c);
	live_all(tally, 20, 10, 60, &c);
	leak_all(found, 100, &c);
}

static void test_leaks_are_found_and_nothing_else(void **state)
{
	uint64_t seeds = getenv("TREND_SEEDS") ? atoi(getenv("TREND_SEEDS")) : SEEDS;
	struct tally tally = {};
	struct found found = {};

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++)
		simulate(seed, &tally, &found);
	printf("%u leaks, %u of them found late; the slowest took %.0f %% of what is allowed\n",
	       found.leaks, found.late, found.most * 100);
	for (unsigned i = 0; i < TREND_WINDOWS; i++)
		printf("  %u in a window of %u s\n", found.by_window[i], trend_window__seconds(i));
	printf("%u processes without a leak, %.0f process-days, %u false alarms: %.2f in a "
	       "thousand days\n",
	       tally.processes, tally.days, tally.alarms, tally.alarms * 1000 / tally.days);
	for (int i = 0; i < SHAPES; i++)
		printf("  %u with %s\n", tally.by_shape[i], shape_names[i]);
	assert_int_equal(found.late, 0);
	assert_true(tally.alarms * 1000 <= tally.days);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_leak_is_suspected_then_certain_then_over),
		cmocka_unit_test(test_one_that_is_old_may_be_new_to_us),
		cmocka_unit_test(test_what_is_not_later_is_passed_over),
		cmocka_unit_test(test_a_gap_is_no_growth),
		cmocka_unit_test(test_a_tooth_that_comes_again),
		cmocka_unit_test(test_leaks_are_found_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
