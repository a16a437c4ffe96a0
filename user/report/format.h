/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats of a report; report/encode.h has the encoders. */
#ifndef MEMPROV_FORMAT_H
#define MEMPROV_FORMAT_H

struct buf;
struct encode_options;
struct report;

/* In the order in which messages list them. */
enum format { FORMAT_TEXT, FORMAT_HTML, FORMAT_JSON, FORMAT_PPROF, FORMAT_FOLDED, FORMATS };

/* Memory running out shows in buf__error(ret). */
typedef void encode_fn(const struct report *report, const struct encode_options *options,
		       struct buf *ret);

const char *format__name(enum format format);

#endif
