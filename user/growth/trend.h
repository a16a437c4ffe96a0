/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether an amount grows for good: pure, of fixed size, O(1) for a value.
 *
 * It is evaluated over eight windows, from a minute to twenty days: 100 MB a minute must be found
 *in minutes, and 1 MB an hour shows only in days. Each window has 12 buckets, and each bucket keeps
 * the least value that fell into it: the lower envelope, which a collector's teeth, bursts and
 * noise do not lift. As many buckets of the window before are kept for comparison.
 *
 *	      window before           window
 *	|  p0 |     |     |     |  q0 |  q1 |  q2 |  q3 |     the least of each quarter
 *
 * It grows in a window if all of these hold:
 *
 *	1. q0 to q3 is a growth that matters: a part of q0, and not just a few pages.
 *	2. Each quarter has its share of it, the last one too: no step, no plateau.
 *	3. It is hardly slower than the growth from p0 to q0: no cache that fills, no start.
 *	4. q3 is higher than any floor of the last two days: no tooth, no daily swing, no job that
 *	   comes again.
 *	5. The 95 % interval of the slope is above zero.
 *
 * The slope is Theil and Sen's, the median of the slopes of all pairs of buckets, and its interval
 * that of the Mann-Kendall test: up to 29 % of the buckets may be off by any amount.
 *
 * That it grows is *suspected* at once. It is *certain* when that has been so for a quarter of the
 * window (in the shortest, for 75 s), of an amount that has been known for two windows (where they
 * are of days, for one). It is over when the last quarter has been no higher than those before, or
 * than what was there two days ago, for as long.
 *
 * What begins fills its heap, its caches, its first cycle of garbage. In its first ten minutes the
 * shortest window is therefore not enough: there it is *likely* only, as what has slowed down a
 * little before it was certain, and whoever knows that a limit is near may take it for certain. A
 * start that grows evenly for longer than two of the other windows, or a job that does for two
 * minutes later, cannot be told from a leak before its end, and is taken for one until then.
 *
 * Where nothing was seen, the lesser of the values around is assumed: after a gap there is a step
 * at most. A window that is shorter than the gap begins anew. Times are those of CLOCK_BOOTTIME,
 * which no user sets. The bucket in which it begins is left out.
 *
 * It takes 1.2 KB; a value, with what is evaluated of it, a tenth of a microsecond.
 */
#ifndef MEMPROV_TREND_H
#define MEMPROV_TREND_H

#include <stdbool.h>
#include <stdint.h>

#define TREND_WINDOWS 8
#define TREND_BUCKETS 12
#define TREND_PEAKS   48

/* One more is open, and not evaluated. */
#define TREND_KEPT (2 * TREND_BUCKETS + 1)

enum trend_state {
	TREND_QUIET,
	TREND_SUSPECTED,
	TREND_LIKELY, /* for so long, but what has it is young, or it has slowed down */
	TREND_CERTAIN,
};

/* The least growth within a window that matters, in the unit of the values. */
struct trend_rule {
	uint32_t least;
};

struct trend_window {
	uint32_t newest;	   /* number of the open bucket: seconds over its length */
	uint32_t n;		   /* closed buckets that are known */
	uint32_t lows[TREND_KEPT]; /* by number modulo TREND_KEPT */
	uint32_t rising_s;	   /* since when it grows; 0: it does not */
	uint32_t idle_s;	   /* since when it does not go on; 0: it does */
	uint8_t state;		   /* enum trend_state */
};

/* Zeroed, it is empty. */
struct trend {
	uint32_t born_s; /* when what has it began; 0: with the first value */
	uint32_t first_s, last_s;
	uint32_t value;
	struct trend_window windows[TREND_WINDOWS];
	/* The highest floor of half a minute in each of the last hours, by number modulo. */
	uint32_t peaks[TREND_PEAKS];
};

/* At a moment, in seconds since boot, it is so much. One that is not later is passed over. */
void trend__add(struct trend *trend, const struct trend_rule *rule, uint32_t now_s, uint32_t value);

/* The shortest window with the most certain state. */
enum trend_state trend__state(const struct trend *trend, unsigned *ret_window);

/* Whether it can be one as of a moment: what comes from a file may be anything. */
bool trend__is_sound(const struct trend *trend, uint32_t now_s);

uint32_t trend_window__seconds(unsigned window);

struct trend_slope {
	double estimate, low, high; /* units a second; low to high: the 95 % interval */
};

/* False when the window has not been full yet. */
bool trend__slope(const struct trend *trend, unsigned window, struct trend_slope *ret);

#endif
