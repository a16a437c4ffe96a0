/* SPDX-License-Identifier: BSD-2-Clause */
/* A timeline as text and as JSON (docs/http.md). */
#ifndef MEMPROV_HISTORY_ENCODE_H
#define MEMPROV_HISTORY_ENCODE_H

#include "history/timeline.h"
#include "report/encode.h"
#include "util/buf.h"

/* Memory running out shows in buf__error(ret). */
void timeline__encode_text(const struct timeline *timeline, const struct selection *selection,
			   const struct encode_options *options, struct buf *ret);
void timeline__encode_json(const struct timeline *timeline, const struct selection *selection,
			   const struct encode_options *options, struct buf *ret);

#endif
