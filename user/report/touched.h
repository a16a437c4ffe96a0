/* SPDX-License-Identifier: BSD-2-Clause */
/* What touched resident memory first, in reports (docs/http.md, "touch"). */
#ifndef MEMPROV_REPORT_TOUCHED_H
#define MEMPROV_REPORT_TOUCHED_H

#include "report/encode.h"
#include "util/json.h"

/* How many of the largest sites are shown. */
size_t touched__shown(const struct report *report, const struct encode_options *options);

/* A block for each that is shown, and a line with what no sample tells of. */
void touched__add_text(const struct report *report, const struct encode_options *options,
		       struct buf *out);

/* "touch", a member of an object. */
void touched__add_json(const struct report *report, const struct encode_options *options,
		       struct json *json);

#endif
