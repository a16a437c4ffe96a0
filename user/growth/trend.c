// SPDX-License-Identifier: BSD-2-Clause
#include "growth/trend.h"

#include <math.h>
#include <stdlib.h>

#define QUARTER (TREND_BUCKETS / 4)
#define PAIRS	(TREND_BUCKETS * (TREND_BUCKETS - 1) / 2)
#define MIDDLE	(PAIRS / 2)
/* The sum of the pairs' signs has the variance n (n - 1) (2n + 5) / 18: for n = 12, 1.96 standard
 * deviations are 28.6, half of them to either side. */
#define LOW	(MIDDLE - 15)
#define HIGH	(MIDDLE + 14)
#define DAY_S	(26 * 3600) /* with what days differ in */
#define YOUNG_S 600

/* Of a growth from q0 to q3 each step between quarters is a third, if it is even. */
#define STEP_LEAST 0.12
#define STEP_LAST  0.2
#define STEP_MOST  0.6
/* How much slower than in the window before it may be. */
#define SLOWER 0.85
/* What is higher than before is so by this. */
#define HIGHER 1.02
/* What a growth goes on with, at least: of what was needed. */
#define GOES_ON 0.25

static const struct {
	uint32_t bucket_s;
	double young;	/* the least growth, as a part of q0, before a day is known */
	double part;	/* afterwards, when a daily swing is known */
	uint32_t known; /* buckets, for certainty */
	uint32_t hold;	/* buckets in which it grows, for certainty */
} kinds[TREND_WINDOWS] = {
	{5, 0.22, 0.22, 24, 15},	/* a minute */
	{30, 0.22, 0.22, 24, 3},	/* 6 minutes */
	{180, 0.3, 0.15, 24, 3},	/* 36 minutes */
	{900, 0.35, 0.15, 24, 3},	/* 3 hours */
	{3600, 0.35, 0.15, 24, 3},	/* 12 hours */
	{4 * 3600, 0.05, 0.05, 13, 1},	/* 2 days */
	{10 * 3600, 0.05, 0.05, 13, 1}, /* 5 days; each quarter has the trough of a day */
	{40 * 3600, 0.05, 0.05, 13, 1}, /* 20 days */
};
#define TWO_DAYS    5 /* the last window whose floors count as those of before */
#define PEAKS_UNTIL 2 /* the last window for which peaks do */
#define PEAKS_OF    1 /* the window whose floors they are */
#define PEAK_S	    3600

uint32_t trend_window__seconds(unsigned window)
{
	return kinds[window].bucket_s * TREND_BUCKETS;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The low of the bucket that was closed so many before the last one. */
static uint32_t low_of(const struct trend_window *w, uint32_t back)
{
	return w->lows[(w->newest - 1 - back) % TREND_KEPT];
}

/* The least of a quarter; 0 is the last one, 4 the last one of the window before. */
static double quarter(const struct trend_window *w, uint32_t back)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < QUARTER; i++)
		least = lesser(least, low_of(w, back * QUARTER + i));
	return least;
}

/* --- the slope -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

bool trend__slope(const struct trend *trend, unsigned window, struct trend_slope *ret)
{
	const struct trend_window *w = &trend->windows[window];
	double slopes[PAIRS];
	size_t n = 0;

	if (w->n < TREND_BUCKETS)
		return false;
	for (uint32_t i = 1; i < TREND_BUCKETS; i++) {
		for (uint32_t j = 0; j < i; j++)
			slopes[n++] = ((double)low_of(w, j) - low_of(w, i)) /
				      ((double)kinds[window].bucket_s * (i - j));
	}
	qsort(slopes, n, sizeof(*slopes), compare);
	ret->estimate = (slopes[MIDDLE - 1] + slopes[MIDDLE]) / 2;
	ret->low = slopes[LOW];
	ret->high = slopes[HIGH];
	return true;
}

/* --- evaluating ------------------------------------------------------------------------------- */

static uint32_t peak_before(const struct trend *trend, uint32_t start_s)
{
	uint32_t most = 0, hour = start_s / PEAK_S, now = trend->last_s / PEAK_S;

	for (uint32_t i = 1; i <= hour && hour - i + TREND_PEAKS > now; i++) {
		if (trend->peaks[(hour - i) % TREND_PEAKS] > most)
			most = trend->peaks[(hour - i) % TREND_PEAKS];
	}
	return most;
}

/* Of all windows that reach further back than this one. */
static double floor_before(const struct trend *trend, unsigned window)
{
	uint32_t start_s = (trend->windows[window].newest - TREND_BUCKETS) * kinds[window].bucket_s;
	uint32_t most = window <= PEAKS_UNTIL ? peak_before(trend, start_s) : 0;

	for (unsigned i = window; i <= TWO_DAYS; i++) {
		const struct trend_window *w = &trend->windows[i];

		for (uint32_t back = 0; back < w->n; back++) {
			uint32_t end_s = (w->newest - back) * kinds[i].bucket_s;

			if (end_s <= start_s && low_of(w, back) > most)
				most = low_of(w, back);
		}
	}
	return most;
}

static double needed(const struct trend *trend, unsigned window, uint32_t least, double q0)
{
	bool young = trend->last_s - trend->first_s < DAY_S;
	double part = q0 * (young ? kinds[window].young : kinds[window].part);

	return part > least ? part : least;
}

static bool grows(const struct trend *trend, unsigned window, const struct trend_rule *rule)
{
	const struct trend_window *w = &trend->windows[window];
	double q0, q1, q2, q3, all;
	struct trend_slope slope;

	q0 = quarter(w, 3), q1 = quarter(w, 2), q2 = quarter(w, 1), q3 = quarter(w, 0);
	all = q3 - q0;
	if (all < needed(trend, window, rule->least, q0))
		return false;
	if (fmin(q1 - q0, q2 - q1) < STEP_LEAST * all || q3 - q2 < STEP_LAST * all ||
	    fmax(q1 - q0, fmax(q2 - q1, q3 - q2)) > STEP_MOST * all)
		return false;
	/* From p0 to q0 it is four quarters, from q0 to q3 three. */
	if (w->n >= 2 * TREND_BUCKETS && all / 3 < SLOWER * (q0 - quarter(w, 7)) / 4)
		return false;
	return q3 >= HIGHER * floor_before(trend, window) && trend__slope(trend, window, &slope) &&
	       slope.low > 0;
}

/* It still grows, though not as evenly: once it is certain, to where it has not been. */
static bool goes_on(const struct trend *trend, unsigned window, const struct trend_rule *rule)
{
	const struct trend_window *w = &trend->windows[window];
	double q0 = quarter(w, 3), q3 = quarter(w, 0);

	return q3 > fmax(quarter(w, 1), quarter(w, 2)) &&
	       (w->state != TREND_CERTAIN || q3 >= floor_before(trend, window)) &&
	       q3 - q0 >= GOES_ON * needed(trend, window, rule->least, q0);
}

static bool is_young(const struct trend *trend, unsigned window)
{
	return !window && trend->last_s < trend->born_s + YOUNG_S;
}

static bool is_held(const struct trend *trend, unsigned window)
{
	const struct trend_window *w = &trend->windows[window];
	uint32_t hold_s = kinds[window].hold * kinds[window].bucket_s;

	return trend->last_s - w->rising_s >= hold_s && w->n >= kinds[window].known;
}

static void evaluate(struct trend *trend, unsigned window, const struct trend_rule *rule)
{
	struct trend_window *w = &trend->windows[window];
	uint32_t hold_s = kinds[window].hold * kinds[window].bucket_s, now_s = trend->last_s;

	if (w->n < TREND_BUCKETS)
		return;
	if (grows(trend, window, rule)) {
		w->rising_s = w->rising_s ?: now_s;
		w->idle_s = 0;
		if (w->state == TREND_QUIET)
			w->state = TREND_SUSPECTED;
		if (is_held(trend, window))
			w->state = is_young(trend, window) ? TREND_LIKELY : TREND_CERTAIN;
		return;
	}
	if (w->state != TREND_QUIET && goes_on(trend, window, rule)) {
		w->idle_s = 0;
		if (w->state == TREND_SUSPECTED && is_held(trend, window))
			w->state = TREND_LIKELY;
		return;
	}
	w->idle_s = w->idle_s ?: now_s;
	if (w->state >= TREND_LIKELY && now_s - w->idle_s < hold_s)
		return;
	w->rising_s = 0;
	w->state = TREND_QUIET;
}

/* --- values ----------------------------------------------------------------------------------- */

/* Closes the open bucket, and those in which nothing was seen. */
static void move_to(struct trend *trend, struct trend_window *w, uint32_t number, uint32_t value,
		    bool begun)
{
	uint32_t between = lesser(trend->value, value), passed = number - w->newest;

	if (passed > TREND_BUCKETS) {
		w->n = 0;
		w->rising_s = 0;
		w->state = w->state == TREND_CERTAIN ? TREND_CERTAIN : TREND_QUIET;
		w->newest = number;
		w->lows[number % TREND_KEPT] = value;
		return;
	}
	/* That in which it begins is not known whole. */
	w->n += begun ? passed : passed - 1;
	if (w->n > TREND_KEPT - 1)
		w->n = TREND_KEPT - 1;
	for (uint32_t i = passed - 1; i > 0; i--)
		w->lows[(number - i) % TREND_KEPT] = between;
	w->newest = number;
	w->lows[number % TREND_KEPT] = value;
}

/* An hour that has begun is not that of two days ago any more. */
static void note_peak(struct trend *trend, uint32_t now_s)
{
	uint32_t hour = now_s / PEAK_S, last = trend->last_s / PEAK_S;
	uint32_t *peak = &trend->peaks[hour % TREND_PEAKS];
	const struct trend_window *w = &trend->windows[PEAKS_OF];

	for (uint32_t i = 0; i < hour - last && i < TREND_PEAKS; i++)
		trend->peaks[(hour - i) % TREND_PEAKS] = 0;
	if (w->n && low_of(w, 0) > *peak)
		*peak = low_of(w, 0);
}

void trend__add(struct trend *trend, const struct trend_rule *rule, uint32_t now_s, uint32_t value)
{
	bool first = !trend->first_s;

	if (!first && now_s <= trend->last_s)
		return;
	trend->first_s = trend->first_s ?: now_s;
	trend->born_s = trend->born_s ?: now_s;
	note_peak(trend, now_s);
	trend->last_s = now_s;
	for (unsigned i = 0; i < TREND_WINDOWS; i++) {
		struct trend_window *w = &trend->windows[i];
		uint32_t number = now_s / kinds[i].bucket_s;

		if (first) {
			w->newest = number;
			w->lows[number % TREND_KEPT] = value;
		} else if (number == w->newest) {
			w->lows[number % TREND_KEPT] = lesser(w->lows[number % TREND_KEPT], value);
		} else {
			bool begun = w->n || w->newest > trend->first_s / kinds[i].bucket_s;

			move_to(trend, w, number, value, begun);
			evaluate(trend, i, rule);
		}
	}
	trend->value = value;
}

bool trend__is_sound(const struct trend *trend, uint32_t now_s)
{
	if (!trend->first_s || trend->first_s > trend->last_s || trend->last_s > now_s)
		return false;
	for (unsigned i = 0; i < TREND_WINDOWS; i++) {
		const struct trend_window *w = &trend->windows[i];

		if (w->newest != trend->last_s / kinds[i].bucket_s || w->n >= TREND_KEPT ||
		    w->n > w->newest || w->state > TREND_CERTAIN || w->rising_s > trend->last_s ||
		    w->idle_s > trend->last_s)
			return false;
	}
	return true;
}

enum trend_state trend__state(const struct trend *trend, unsigned *ret_window)
{
	enum trend_state state = TREND_QUIET;

	*ret_window = 0;
	for (unsigned i = 0; i < TREND_WINDOWS; i++) {
		if (trend->windows[i].state > state) {
			state = trend->windows[i].state;
			*ret_window = i;
		}
	}
	return state;
}
