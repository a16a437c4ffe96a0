/* SPDX-License-Identifier: BSD-2-Clause */
/* Alerts as JSON (docs/http.md) and as text (docs/guide.md). Memory running out shows in
 * buf__error(). */
#ifndef MEMPROV_ALERT_ENCODE_H
#define MEMPROV_ALERT_ENCODE_H

#include "growth/alerts.h"
#include "report/encode.h"
#include "util/json.h"

/* An element of "alerts". */
void alert__put(struct json *json, const struct alert *alert);

/* The header; and a row with what grew. */
void alerts__add_header(struct buf *out);
void alert__add_text(struct buf *out, const struct alert *alert);

/* "12.3 MB/min", "4 mappings/h": by the unit in which it is a number of one or more. */
void alert__add_slope(struct buf *out, const struct alert *alert);

#endif
