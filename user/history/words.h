/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What rows refer to by number: texts, frames, call sites. Each is stored once, and what was stored
 * lately is remembered here. The writer's thread only.
 */
#ifndef MEMPROV_HISTORY_WORDS_H
#define MEMPROV_HISTORY_WORDS_H

#include <stdint.h>

struct callsite;
struct store;
struct words;

struct words *words__new(void);	       /* NULL when out of memory */
void words__free(struct words *words); /* accepts NULL */

/* Remembers nothing any more: after a transaction that failed, and in another store. */
void words__forget(struct words *words);

/* To be called once a minute: what no row has referred to for some is remembered no more. */
void words__turn(struct words *words);

/* NULL has the number 0. 0 or -errno, as the next. */
int words__text(struct words *words, struct store *store, const char *text, int64_t *ret);

/* span: of the row that will refer to it. */
int words__site(struct words *words, struct store *store, struct callsite *site, int64_t span,
		int64_t *ret);

/* Deletes what no row refers to, once spans before `span` are gone. */
int words__collect(struct store *store, int64_t span);

#endif
