/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memprov from the ring to the ledger, on one thread, with a tap: the events of one family of
 * processes are recorded, and some of them are lost on purpose.
 */
#ifndef MEMPROV_PROPERTY_TRACER_H
#define MEMPROV_PROPERTY_TRACER_H

#include <stdbool.h>
#include <sys/types.h>

#include "collect/collector.h"
#include "model/model.h"
#include "util/buf.h"

struct tracer;

/* Whether an event is to be lost. */
typedef bool tracer_lose_fn(const union mp_event *event, void *ctx);

/* What MEMPROV_BACKEND in the environment asks for. */
enum backend tracer__backend(void);

/* Loads and attaches; why as for collector__new. */
int tracer__new(struct tracer **ret, char *why, size_t why_len);
void tracer__free(struct tracer *tracer);

/* A new model, which from now on follows the children of this process that are yet to be born,
 * and theirs. lose NULL: nothing is lost. */
int tracer__begin(struct tracer *tracer, tracer_lose_fn *lose, void *ctx);

/* 0, or -ENOBUFS when the ring was full: then whatever was to be shown was not. */
int tracer__drain(struct tracer *tracer);

struct model *tracer__model(struct tracer *tracer);
const struct buf *tracer__recording(const struct tracer *tracer);

struct tracer_counts {
	uint64_t events; /* of all targets */
	uint64_t lost;	 /* of them, on purpose */
};

const struct tracer_counts *tracer__counts(const struct tracer *tracer);

/* As far as it can tell, every page fault since tracer__begin() has been sampled. While a CPU is
 * busy with faults, whoever has them, some are passed over. */
bool tracer__has_all_touches(const struct tracer *tracer);

/* Which of the functions of touchers.h it is that a sample names; -1: none of them. */
int tracer__toucher(const struct tracer *tracer, const struct trace *trace);

#endif
