/* SPDX-License-Identifier: BSD-2-Clause */
/* What processes do with their memory, made by chance: for test_trend.c. */
#ifndef MEMPROV_TEST_TRENDS_H
#define MEMPROV_TEST_TRENDS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define KIB_OF_MB 1024.0
#define MINUTE	  60.0
#define HOUR	  3600.0
#define DAY	  86400.0

struct chance {
	uint64_t state; /* not 0 */
};

/* xorshift64*: 0 to 1. */
static inline double chance__part(struct chance *c)
{
	c->state ^= c->state >> 12;
	c->state ^= c->state << 25;
	c->state ^= c->state >> 27;
	return (c->state * 0x2545f4914f6cdd1dULL >> 11) * 0x1p-53;
}

static inline double chance__between(struct chance *c, double from, double to)
{
	return from + (to - from) * chance__part(c);
}

/* Evenly by orders of magnitude. */
static inline double chance__scale(struct chance *c, double from, double to)
{
	return from * pow(to / from, chance__part(c));
}

/* About normal, of deviation 1. */
static inline double chance__noise(struct chance *c)
{
	return (chance__part(c) + chance__part(c) + chance__part(c) + chance__part(c) - 2) *
	       1.7320508;
}

enum shape {
	SHAPE_STEADY,
	SHAPE_START, /* a linear load, of two minutes at most */
	SHAPE_CACHE, /* fills up to five times the base, ever slower */
	SHAPE_TEETH, /* of a collector */
	SHAPE_STEPS, /* up and down, a few a day */
	SHAPE_SWING, /* of a day, up to double */
	SHAPE_BATCH, /* a job that comes again */
	SHAPE_FORKS, /* short bursts */
	SHAPES,
};

static const char *const shape_names[SHAPES] = {"steady", "start", "cache", "teeth",
						"steps",  "swing", "batch", "forks"};

#define STEPS_MAX 64

/* One process: base, shape, noise, gaps, and perhaps a leak. KiB and seconds since its start. */
struct process {
	enum shape shape;
	double base, noise;
	double length, size; /* of the shape: its time and its amount, of the base */
	double phase;
	double ramp;		      /* of a batch */
	bool sharp;		      /* a swing that rises within two hours */
	double steps[STEPS_MAX];      /* levels, one each `length` */
	double rate, onset;	      /* of the leak: KiB a second; 0: none */
	double interval;	      /* between two values */
	double gap_every, gap_length; /* 0: none */
};

static inline double tooth(double t, double length)
{
	return t / length - floor(t / length);
}

/* The shape at a time, as a part of the base. */
static inline double process__shape(const struct process *p, double t)
{
	double x;

	switch (p->shape) {
	case SHAPE_START:
		return fmin(1, t / p->length) * p->size;
	case SHAPE_CACHE:
		return (1 - exp(-t / p->length)) * p->size;
	case SHAPE_TEETH:
		return tooth(t + p->phase, p->length) * p->size;
	case SHAPE_STEPS:
		return p->steps[(int)fmin(t / p->length, STEPS_MAX - 1)];
	case SHAPE_SWING:
		x = tooth(t + p->phase, DAY);
		if (!p->sharp)
			return (1 - cos(2 * M_PI * x)) / 2 * p->size;
		/* Up from 8 to 10, down from 18 to 22. */
		return fmin(1, fmax(0, fmin((x * 24 - 8) / 2, (22 - x * 24) / 4))) * p->size;
	case SHAPE_BATCH:
		x = tooth(t + p->phase, p->length) * p->length;
		return x < 3 * p->ramp ? fmin(1, x / p->ramp) * p->size : 0;
	default:
		return 0;
	}
}

static inline double process__value(const struct process *p, double t, struct chance *c)
{
	double value = p->base * (1 + process__shape(p, t) + p->noise * chance__noise(c));

	if (p->shape == SHAPE_FORKS && chance__part(c) < 0.2)
		value += p->base * p->size * chance__part(c);
	if (p->rate && t > p->onset)
		value += p->rate * (t - p->onset);
	return fmax(value, 64);
}

static inline bool process__is_in_gap(const struct process *p, double t)
{
	return p->gap_every && tooth(t + p->phase, p->gap_every) * p->gap_every < p->gap_length;
}

/* Without a leak. */
static inline struct process process__make(struct chance *c, enum shape shape)
{
	struct process p = {.shape = shape, .interval = 5};

	p.base = chance__scale(c, 5, 4000) * KIB_OF_MB;
	p.noise = chance__scale(c, 0.0001, 0.02);
	p.phase = chance__between(c, 0, DAY);
	p.sharp = chance__part(c) < 0.5;
	p.size = chance__scale(c, 0.1, 1);
	switch (shape) {
	case SHAPE_START:
		p.length = chance__scale(c, 1, 2 * MINUTE);
		p.size = chance__scale(c, 0.5, 100);
		p.base /= 1 + p.size;
		break;
	case SHAPE_CACHE:
		p.length = chance__scale(c, MINUTE, 6 * HOUR);
		p.size = chance__scale(c, 0.2, 5);
		break;
	case SHAPE_TEETH:
		p.length = chance__scale(c, 10, 2 * HOUR);
		break;
	case SHAPE_STEPS:
		p.length = chance__scale(c, 4 * HOUR, DAY);
		for (int i = 0; i < STEPS_MAX; i++)
			p.steps[i] = chance__between(c, 0, p.size);
		break;
	case SHAPE_BATCH:
		p.length = chance__scale(c, HOUR, DAY);
		p.ramp = chance__scale(c, 10, 2 * MINUTE);
		break;
	default:
		break;
	}
	if (chance__part(c) < 0.3) {
		p.gap_every = chance__scale(c, HOUR, DAY);
		p.gap_length = chance__scale(c, MINUTE, HOUR / 2);
	}
	return p;
}

/* All that it had, or could have had, when the leak began. */
static inline double process__peak(const struct process *p)
{
	return p->base * (1 + (p->shape == SHAPE_STEADY ? 0 : p->size));
}

#endif
