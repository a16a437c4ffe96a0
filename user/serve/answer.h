/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer to a request: status, headers and body, before any of it is HTTP. */
#ifndef MEMPROV_ANSWER_H
#define MEMPROV_ANSWER_H

#include <stdbool.h>

#include "util/budget.h"
#include "util/buf.h"

/* The errors of docs/http.md; each has a status and a code. */
enum answer_error {
	ERROR_BAD_PARAMETER,
	ERROR_BAD_REQUEST,
	ERROR_UNAUTHORIZED,
	ERROR_FORBIDDEN,
	ERROR_NO_SUCH_ROUTE,
	ERROR_NO_SUCH_PROCESS,
	ERROR_NO_SUCH_POD,
	ERROR_NO_SUCH_CONTAINER,
	ERROR_NO_SUCH_OOM,
	ERROR_METHOD_NOT_ALLOWED,
	ERROR_PROCESS_EXITED,
	ERROR_TOO_BUSY,
	ERROR_NOT_READY,
	ERROR_UNREADABLE,
	ERROR_KERNEL_REFUSED,
};

struct answer {
	unsigned status;
	const char *type;   /* Content-Type */
	const char *header; /* one more header, NULL: none */
	const char *value;
	const char *policy;   /* Content-Security-Policy; NULL: it is no page */
	const char *encoding; /* Content-Encoding; NULL: none */
	struct buf body;
	struct reservation memory; /* for the body */
};

#define TYPE_TEXT    "text/plain; charset=utf-8"
#define TYPE_JSON    "application/json"
#define TYPE_PPROF   "application/octet-stream" /* as net/http/pprof of Go */
#define TYPE_HTML    "text/html; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

void answer__free(struct answer *answer); /* a zeroed one is fine, and is left zeroed */

/* Status 200 and no body yet. */
void answer__ok(struct answer *answer, const char *type);

/* The same, for a browser to save under a name: "attachment; filename=…". */
void answer__ok_file(struct answer *answer, const char *type, const char *disposition);
/* A page, and what a browser lets it do. */
void answer__page(struct answer *answer, const char *policy);

/* Replaces what there is. The message is one line; it gets its newline here. */
void answer__fail(struct answer *answer, enum answer_error error, bool json, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
