// SPDX-License-Identifier: BSD-2-Clause
#include "model/name.h"

#include <stdlib.h>
#include <string.h>

#include "util/refs.h"

enum late_state {
	LATE_UNREAD,
	LATE_READ,
	LATE_UNREADABLE,
};

struct late_text {
	unsigned refs;
	enum late_state state; /* atomic; written last, and once */
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
		late_text__unref(name->late);
		free(name);
		name = before;
	}
}

struct late_text *late_text__new(struct trace *trace)
{
	struct late_text *late = calloc(1, sizeof(*late));

	if (!late)
		return NULL;
	late->refs = 1;
	late->trace = trace__ref(trace);
	return late;
}

struct late_text *late_text__ref(struct late_text *late)
{
	refs__get(&late->refs);
	return late;
}

void late_text__unref(struct late_text *late)
{
	if (!late || !refs__put(&late->refs))
		return;
	name__unref(late->name);
	trace__unref(late->trace);
	free(late);
}

struct trace *late_text__trace(const struct late_text *late)
{
	return late->trace;
}

static void set_state(struct late_text *late, enum late_state state)
{
	__atomic_store_n(&late->state, state, __ATOMIC_RELEASE);
}

void late_text__set(struct late_text *late, struct name *name)
{
	late->name = name__ref(name);
	set_state(late, LATE_READ);
}

void late_text__set_unreadable(struct late_text *late)
{
	set_state(late, LATE_UNREADABLE);
}

static enum late_state state_of(const struct name *late)
{
	return __atomic_load_n(&late->late->state, __ATOMIC_ACQUIRE);
}

const struct name *name__now(const struct name *name)
{
	while (name && name->late)
		name = state_of(name) == LATE_READ ? name->late->name : name->before;
	return name;
}

struct name *name__resolved(struct name *name)
{
	while (name && name->late) {
		enum late_state state = state_of(name);

		if (state == LATE_UNREAD)
			break;
		name = state == LATE_READ ? name->late->name : name->before;
	}
	return name;
}

bool name__is_late(const struct name *name)
{
	while (name && name->late) {
		switch (state_of(name)) {
		case LATE_UNREAD:
			return true;
		case LATE_READ:
			return false;
		case LATE_UNREADABLE:
			name = name->before;
		}
	}
	return false;
}

struct name *name__new_late(struct late_text *late, struct name *before)
{
	struct name *name = name__new(NAMED_BY_PRCTL, "", NULL);

	if (!name)
		return NULL;
	before = name__resolved(before);
	name->late = late_text__ref(late);
	if (before && before->n_before < MAX_BEFORE) {
		name->before = name__ref(before);
		name->n_before = before->late ? before->n_before + 1 : 0;
	}
	return name;
}
