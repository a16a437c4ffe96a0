/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files share that implement metrics.h. Names come without their "memprov_". */
#ifndef MEMPROV_METRICS_PARTS_H
#define MEMPROV_METRICS_PARTS_H

#include "report/metrics.h"

extern const struct metrics_label metrics_no_labels[METRICS_LABELS];

void metrics__add_family(struct buf *out, const char *name, const char *type, const char *help);
/* A series without its value. The labels end with the first that has no name. */
void metrics__add_series(struct buf *out, const char *name,
			 const struct metrics_label labels[METRICS_LABELS]);
void metrics__add_sample(struct buf *out, const char *name,
			 const struct metrics_label labels[METRICS_LABELS], uint64_t value);
void metrics__add_labelled(struct buf *out, const char *name, const char *label, const char *value,
			   uint64_t amount);

/* What the daemon says of itself; stats NULL: it traces nothing. */
void metrics__add_daemon(struct buf *out, const struct tracer_stats *stats,
			 const struct duration_histogram *snapshots);

#endif
