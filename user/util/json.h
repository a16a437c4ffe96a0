/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing JSON into a buffer, piece by piece, without a tree of values in memory. The writer sets
 *commas and escapes; the caller closes objects and arrays, and alternates keys and values in
 *objects:
 *
 *	struct json json = {.out = &buf};
 *
 *	json__object(&json);
 *	json__key(&json, "rss");
 *	json__u64(&json, rss);
 *	json__end_object(&json);
 *
 * Strings may hold any bytes: what is not UTF-8 becomes U+FFFD. Errors show in buf__error(out).
 */
#ifndef MEMPROV_JSON_H
#define MEMPROV_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

struct json {
	struct buf *out;
	bool comma; /* the next value or key needs one before it */
};

void json__object(struct json *json);
void json__end_object(struct json *json);
void json__array(struct json *json);
void json__end_array(struct json *json);
void json__key(struct json *json, const char *key);

void json__string(struct json *json, const char *s); /* NULL: null */
void json__bytes(struct json *json, const char *bytes, size_t len);
void json__u64(struct json *json, uint64_t value);
void json__i64(struct json *json, int64_t value);
void json__hex(struct json *json, uint64_t address); /* "0x7f…" */
void json__bool(struct json *json, bool value);
void json__null(struct json *json);

/* A key and its value. */
void json__put_string(struct json *json, const char *key, const char *s);
void json__put_u64(struct json *json, const char *key, uint64_t value);
void json__put_hex(struct json *json, const char *key, uint64_t address);
void json__put_bool(struct json *json, const char *key, bool value);
void json__put_time(struct json *json, const char *key, uint64_t wall_ns); /* 0: null */
void json__put_null(struct json *json, const char *key);

#endif
