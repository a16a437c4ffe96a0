// SPDX-License-Identifier: BSD-2-Clause
#include "serve/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/json.h"

static const struct {
	unsigned status;
	const char *code;
	const char *header;
	const char *value;
} errors[] = {
	[ERROR_BAD_PARAMETER] = {400, "bad_parameter", NULL, NULL},
	[ERROR_BAD_REQUEST] = {400, "bad_request", NULL, NULL},
	[ERROR_UNAUTHORIZED] = {401, "unauthorized", "WWW-Authenticate", "Bearer"},
	[ERROR_FORBIDDEN] = {403, "forbidden", NULL, NULL},
	[ERROR_NO_SUCH_ROUTE] = {404, "no_such_route", NULL, NULL},
	[ERROR_NO_SUCH_PROCESS] = {404, "no_such_process", NULL, NULL},
	[ERROR_NO_SUCH_POD] = {404, "no_such_pod", NULL, NULL},
	[ERROR_NO_SUCH_CONTAINER] = {404, "no_such_container", NULL, NULL},
	[ERROR_NO_SUCH_OOM] = {404, "no_such_oom", NULL, NULL},
	[ERROR_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", "Allow", "GET, HEAD"},
	[ERROR_PROCESS_EXITED] = {410, "process_exited", NULL, NULL},
	[ERROR_TOO_BUSY] = {503, "too_busy", "Retry-After", "1"},
	[ERROR_NOT_READY] = {503, "not_ready", "Retry-After", "1"},
	[ERROR_UNREADABLE] = {503, "unreadable", "Retry-After", "1"},
	[ERROR_KERNEL_REFUSED] = {503, "kernel_refused", NULL, NULL},
};

void answer__free(struct answer *answer)
{
	buf__free(&answer->body);
	reservation__free(&answer->memory);
	memset(answer, 0, sizeof(*answer));
}

void answer__ok(struct answer *answer, const char *type)
{
	answer__free(answer);
	answer->status = 200;
	answer->type = type;
}

void answer__ok_file(struct answer *answer, const char *type, const char *disposition)
{
	answer__ok(answer, type);
	answer->header = "Content-Disposition";
	answer->value = disposition;
}

void answer__page(struct answer *answer, const char *policy)
{
	answer__ok(answer, TYPE_HTML);
	answer->policy = policy;
}

void answer__fail(struct answer *answer, enum answer_error error, bool json, const char *fmt, ...)
{
	struct json writer = {.out = &answer->body};
	char message[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);

	answer__ok(answer, json ? TYPE_JSON : TYPE_TEXT);
	answer->status = errors[error].status;
	answer->header = errors[error].header;
	answer->value = errors[error].value;
	if (json) {
		json__object(&writer);
		json__key(&writer, "error");
		json__object(&writer);
		json__put_string(&writer, "code", errors[error].code);
		json__put_string(&writer, "message", message);
		json__end_object(&writer);
		json__end_object(&writer);
	} else {
		buf__puts(&answer->body, message);
	}
	buf__puts(&answer->body, "\n");
}
