/* SPDX-License-Identifier: BSD-2-Clause */
/* Call sites in reports: the same blocks and objects wherever they are shown. */
#ifndef MEMPROV_REPORT_CALLSITES_H
#define MEMPROV_REPORT_CALLSITES_H

#include "report/encode.h"
#include "util/json.h"

/* How many of the largest are shown. */
size_t callsites__shown(const struct report *report, const struct encode_options *options);

/* Parts of a block and of an object, also of sites of first touch: when it was seen, and its owner
 * and stack, with a blank line behind. */
void callsite__add_times(struct buf *out, const struct site_row *row);
void callsite__add_stack(struct buf *out, const struct site_row *row);

/* "first_seen", "last_seen", "owner", "stack_source", "truncated", "stack". */
void callsite__put_stack(struct json *json, const struct site_row *row);

/* One block for each that is shown. */
void callsites__add_text(const struct report *report, const struct encode_options *options,
			 struct buf *out);

/* "callsites", a member of an object: those that are shown, and those that the first n_regions
 * regions refer to. */
void callsites__add_json(const struct report *report, const struct encode_options *options,
			 size_t n_regions, struct json *json);

#endif
