// SPDX-License-Identifier: BSD-2-Clause
#include "model/name.h"

#include <stdlib.h>
#include <string.h>

#include "util/refs.h"

enum kept {
	KEPT_NOT, /* waited for */
	KEPT_NAME,
	KEPT_BEFORE,
};

struct promise {
	unsigned refs;
	enum kept kept; /* atomic; written last, and once */
	struct name *name;
	struct trace *trace;
};

/* A range that is named again and again, each time by a text that is waited for: behind so many,
 * what was there before them all is given up. */
#define MAX_BEFORE 8

struct name *name__new(enum named_by by, const char *text, struct trace *trace)
{
	size_t size = strlen(text) + 1;
	struct name *name = malloc(sizeof(*name) + size);

	if (!name)
		return NULL;
	*name = (struct name){.refs = 1, .by = by, .trace = trace__ref(trace)};
	memcpy(name->text, text, size);
	return name;
}

struct name *name__ref(struct name *name)
{
	if (name)
		refs__get(&name->refs);
	return name;
}

void name__unref(struct name *name)
{
	while (name && refs__put(&name->refs)) {
		struct name *before = name->before;

		trace__unref(name->trace);
		promise__unref(name->promise);
		free(name);
		name = before;
	}
}

struct promise *promise__new(struct trace *trace)
{
	struct promise *promise = calloc(1, sizeof(*promise));

	if (!promise)
		return NULL;
	promise->refs = 1;
	promise->trace = trace__ref(trace);
	return promise;
}

struct promise *promise__ref(struct promise *promise)
{
	refs__get(&promise->refs);
	return promise;
}

void promise__unref(struct promise *promise)
{
	if (!promise || !refs__put(&promise->refs))
		return;
	name__unref(promise->name);
	trace__unref(promise->trace);
	free(promise);
}

struct trace *promise__trace(const struct promise *promise)
{
	return promise->trace;
}

static void keep(struct promise *promise, enum kept how)
{
	__atomic_store_n(&promise->kept, how, __ATOMIC_RELEASE);
}

void promise__keep(struct promise *promise, struct name *name)
{
	promise->name = name__ref(name);
	keep(promise, KEPT_NAME);
}

void promise__keep_before(struct promise *promise)
{
	keep(promise, KEPT_BEFORE);
}

static enum kept how_kept(const struct name *late)
{
	return __atomic_load_n(&late->promise->kept, __ATOMIC_ACQUIRE);
}

const struct name *name__now(const struct name *name)
{
	while (name && name->promise)
		name = how_kept(name) == KEPT_NAME ? name->promise->name : name->before;
	return name;
}

struct name *name__settled(struct name *name)
{
	while (name && name->promise) {
		enum kept how = how_kept(name);

		if (how == KEPT_NOT)
			break;
		name = how == KEPT_NAME ? name->promise->name : name->before;
	}
	return name;
}

bool name__is_awaited(const struct name *name)
{
	while (name && name->promise) {
		switch (how_kept(name)) {
		case KEPT_NOT:
			return true;
		case KEPT_NAME:
			return false;
		case KEPT_BEFORE:
			name = name->before;
		}
	}
	return false;
}

struct name *name__new_late(struct promise *promise, struct name *before)
{
	struct name *name = name__new(NAMED_BY_PRCTL, "", NULL);

	if (!name)
		return NULL;
	before = name__settled(before);
	name->promise = promise__ref(promise);
	if (before && before->n_before < MAX_BEFORE) {
		name->before = name__ref(before);
		name->n_before = before->promise ? before->n_before + 1 : 0;
	}
	return name;
}
