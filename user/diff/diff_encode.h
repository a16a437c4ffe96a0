/* SPDX-License-Identifier: BSD-2-Clause */
/* A difference of two reports as text (docs/guide.md) and as JSON (docs/http.md). */
#ifndef MEMPROV_DIFF_ENCODE_H
#define MEMPROV_DIFF_ENCODE_H

#include "diff/difference.h"
#include "report/encode.h"
#include "util/buf.h"
#include "util/json.h"

struct diff_options {
	const char *const *files; /* what A and B are called */
	size_t top;		  /* rows of each list */
	bool all;		  /* all rows, those that did not change too */
	enum unit unit;		  /* of the text */
};

/* Memory running out shows in buf__error(ret). */
void diff_encode__text(const struct difference *difference, const struct diff_options *options,
		       struct buf *ret);
void diff_encode__json(const struct difference *difference, const struct diff_options *options,
		       struct buf *ret);

/* The owner and the stack of a call site, in an object that is open. */
void diff_encode__site(struct json *json, const struct saved_site *site);

#endif
