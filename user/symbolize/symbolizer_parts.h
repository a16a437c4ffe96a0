/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of symbolizer.h share. */
#ifndef MEMPROV_SYMBOLIZER_PARTS_H
#define MEMPROV_SYMBOLIZER_PARTS_H

#include <sys/types.h>

#include "proc/domain.h"
#include "symbolize/cells.h"
#include "symbolize/memory.h"
#include "symbolize/symbolizer.h"
#include "symbolize/tenants.h"
#include "wire/wire.h"

/* A process, and the domain that it was in. */
struct subject {
	pid_t tgid;
	uint64_t start_ticks;
	struct domain domain;
	uint64_t looked_ns; /* when */
};

struct symbolizer {
	struct symbolizer_config config;
	struct launcher launcher;
	struct cells cells;
	struct tenants *tenants;
	struct subject subject; /* the last one that was looked at */
	struct glancer *glancer;
	struct memory_reads reads;    /* for the request */
	uint64_t began;		      /* the request */
	uint64_t deadline;	      /* of the request */
	struct launched_times before; /* the child's, when the request began */
	uint64_t ours_ns;	      /* of the request, when the child waited for us */
	uint64_t heard_ns;	      /* when it last did not */
	struct symbolizer_stats stats;
	_Alignas(8) uint8_t packet[WIRE_PACKET_MAX];
};

/* receive.c */

uint64_t symbolizer__timeout_ns(const struct symbolizer *symbolizer);

/* The time for it begins. */
void symbolizer__begin_request(struct symbolizer *symbolizer);

/* The length of the next packet that is no need, which is answered; negative: it is of no use. */
ssize_t symbolizer__receive_said(struct symbolizer *symbolizer, struct cell *cell,
				 struct image *image);

/* 0 with the answer; -ESTALE: the child has let the process go; else it is of no use any more. */
int symbolizer__receive_answer(struct symbolizer *symbolizer, struct cell *cell,
			       struct image *image, struct wire_reading *reading);

#endif
