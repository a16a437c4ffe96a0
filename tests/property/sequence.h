/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One sequence: a target takes the steps of a seed, and every few of them everything is compared.
 * With lossy, for the first two thirds of the steps some events are lost; then the ledger is
 * corrected from the target's map, and what comes after must be exact.
 */
#ifndef MEMPROV_PROPERTY_SEQUENCE_H
#define MEMPROV_PROPERTY_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "steps.h"
#include "target.h"
#include "tracer.h"

struct sequence {
	uint64_t seed;
	bool lossy;
	bool skip[STEPS_MAX];
};

#define SEQUENCE_STEPS 40

/* 0; -ENOTRECOVERABLE with why (it may have been the target that died); -errno when the sequence
 * could not be run. */
int sequence__run(struct tracer *tracer, struct shared *shared, const struct sequence *sequence,
		  char *why, size_t why_len);

/* Leaves out steps of a sequence that fails as long as it still does. */
void sequence__shrink(struct tracer *tracer, struct shared *shared, struct sequence *sequence);

/* Prints what happened and how to see it again; saves the recording and the shadow to dir. */
void sequence__tell(struct tracer *tracer, struct shared *shared, const struct sequence *sequence,
		    const char *why, const char *dir);

#endif
