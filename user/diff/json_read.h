/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of JSON share. Strings live as long as the tree that they are in. */
#ifndef MEMPROV_JSON_READ_H
#define MEMPROV_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_READ_ERROR_LEN 192

/* NULL with what is wrong in error, fit for a message. */
json_t *json_read__parse(const char *text, size_t len, char error[JSON_READ_ERROR_LEN]);

/* NULL when it is not there or not a string. */
const char *json_read__string(const json_t *object, const char *key);
bool json_read__bool(const json_t *object, const char *key);

/* An amount; UINT64_MAX when it is not there, null or negative. */
uint64_t json_read__u64(const json_t *object, const char *key);

/* A PID; 0 when it is not there, null or not one. */
int json_read__pid(const json_t *object, const char *key);

/* "0x7f…"; 0 when it is not there or not such. */
uint64_t json_read__hex(const json_t *object, const char *key);

static inline void json_read__free(json_t **tree)
{
	json_decref(*tree);
}

#define _cleanup_json_ __attribute__((cleanup(json_read__free)))

#endif
