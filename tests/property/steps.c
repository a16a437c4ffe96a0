// SPDX-License-Identifier: BSD-2-Clause
#include "steps.h"

#include <stdbool.h>

#include "rng.h"
#include "shadow.h"
#include "util/cleanup.h"

static const struct {
	const char *name;
	unsigned weight;
	bool in_child;
	bool in_race;
} ops[OPS] = {
	[OP_MMAP] = {"mmap", 24, true, true},	    [OP_MUNMAP] = {"munmap", 11, true, true},
	[OP_MREMAP] = {"mremap", 16, true, true},   [OP_DUPLICATE] = {"duplicate", 3, true, true},
	[OP_PROTECT] = {"mprotect", 7, true, true}, [OP_ADVISE] = {"madvise", 7, true, true},
	[OP_LOCK] = {"mlock", 3, true, true},	    [OP_BRK] = {"brk", 6, true, false},
	[OP_NAME] = {"name", 11, true, true},	    [OP_SHMAT] = {"shmat", 4, true, false},
	[OP_SHMDT] = {"shmdt", 3, true, false},	    [OP_TOUCH] = {"touch", 20, true, true},
	[OP_READ] = {"read", 3, true, true},	    [OP_HUGE] = {"huge", 3, false, false},
	[OP_DOWN] = {"down", 4, false, false},	    [OP_FAIL] = {"fail", 4, true, false},
	[OP_VFORK] = {"vfork", 1, false, false},    [OP_FORK] = {"fork", 3, false, false},
};

const char *op__name(enum op op)
{
	return ops[op].name;
}

static bool is_in(enum op op, unsigned family)
{
	return family == FAMILY_ALL || (family == FAMILY_CHILD && ops[op].in_child) ||
	       (family == FAMILY_RACE && ops[op].in_race);
}

static enum op choose_op(uint64_t *rng, unsigned family)
{
	unsigned total = 0, pick;
	int op;

	for (op = 0; op < OPS; op++)
		total += is_in(op, family) ? ops[op].weight : 0;
	pick = rng__below(rng, total);
	for (op = 0; op < OPS; op++) {
		unsigned weight = is_in(op, family) ? ops[op].weight : 0;

		if (pick < weight)
			break;
		pick -= weight;
	}
	return op;
}

/* Mostly the arena, which is small, so that what comes meets what is there. */
static enum window_id choose_window(uint64_t *rng, unsigned family)
{
	unsigned pick = rng__below(rng, 20);

	if (family == FAMILY_RACE || pick < 14)
		return WINDOW_ARENA;
	return pick < 18 ? WINDOW_NEAR : WINDOW_HEAP;
}

void steps__generate(uint64_t seed, unsigned family, struct step *steps, size_t n)
{
	uint64_t rng = seed;

	for (size_t i = 0; i < n; i++) {
		struct step *step = &steps[i];

		*step = (struct step){
			.op = choose_op(&rng, family),
			.worker = rng__below(&rng, WORKERS),
			.window = choose_window(&rng, family),
			.to_window = choose_window(&rng, family),
			.n = 1 + rng__below(&rng, rng__below(&rng, 4) ? 8 : 24),
			.m = 1 + rng__below(&rng, rng__below(&rng, 4) ? 8 : 24),
			.bits = rng__next(&rng),
		};
		step->page = rng__below(&rng, window__usable(step->window));
		/* At what the last one did: names that move, moves that are named. */
		if (i && !rng__below(&rng, 3)) {
			step->window = step[-1].window;
			step->page = step[-1].page;
			step->n = step[-1].n;
		}
		step->to = rng__below(&rng, window__usable(step->to_window));
	}
}
