/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secret that callers from elsewhere show (RFC 6750: "Authorization: Bearer SECRET"), in a file
 * that is read again when it has changed, so that it can be exchanged while the daemon runs.
 */
#ifndef MEMPROV_TOKEN_H
#define MEMPROV_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_MIN 16 /* bytes: 128 bits at most */
#define TOKEN_MAX 512

/* Pure: is it a token's text, a line of printable characters without spaces, long enough? Its
 * length without the newline, or -EINVAL. */
int token__check_text(const char *text, size_t len);

/* Pure: compares in a time that does not depend on where they differ. */
bool token__equal(const char *token, size_t len, const char *given, size_t given_len);

struct token;

/* path must outlive ret. 0; -EMSGSIZE when it is too short or too long, -EILSEQ when it holds
 * something that cannot be in a header, -EMEDIUMTYPE when it is no regular file, or why it cannot
 * be read. */
int token__open(const char *path, struct token **ret);
void token__free(struct token *token); /* accepts NULL */

/* Is the value of an Authorization header the secret that the file holds now? While the file cannot
 * be read, or holds none, nothing is. May be called on several threads at once. */
bool token__accepts(struct token *token, const char *authorization);

#endif
