// SPDX-License-Identifier: BSD-2-Clause
#include "collect/recording.h"

#include <errno.h>
#include <string.h>

enum kind { KIND_EVENT = 1, KIND_LOSS = 2 };

struct entry {
	uint32_t len;
	uint32_t kind;
};

struct loss {
	uint32_t tgid;
	uint32_t pad;
	struct mp_lost_range range;
};
_Static_assert(sizeof(struct loss) == 40, "recorded loss");

static const char magic[16] = "memprov-events1\n"; /* without a NUL */

static size_t padding(size_t len)
{
	return -len & 7;
}

/* decode.c keeps the lengths to itself, and accepts an event in its own length only. */
static size_t length_of(const union mp_event *event)
{
	const union mp_event *same;

	for (size_t len = sizeof(event->head); len <= sizeof(*event); len += 8) {
		if (!event__decode(event, len, &same))
			return len;
	}
	return 0;
}

static void add(struct buf *recording, enum kind kind, const void *bytes, size_t len)
{
	static const char zeros[8];
	struct entry entry = {len, kind};

	buf__add(recording, &entry, sizeof(entry));
	buf__add(recording, bytes, len);
	buf__add(recording, zeros, padding(len));
}

void recording__begin(struct buf *recording)
{
	buf__add(recording, magic, sizeof(magic));
}

void recording__add_event(struct buf *recording, const union mp_event *event)
{
	add(recording, KIND_EVENT, event, length_of(event));
}

void recording__add_loss(struct buf *recording, uint32_t tgid, const struct mp_lost_range *range)
{
	struct loss loss = {.tgid = tgid, .range = *range};

	add(recording, KIND_LOSS, &loss, sizeof(loss));
}

/* The record at data lies on no boundary in particular: it is handed on from a place that does. */
static int hand_on(const struct entry *entry, const char *bytes, collector_event_fn *on_event,
		   collector_lost_fn *on_lost, void *ctx)
{
	union {
		union mp_event event;
		struct loss loss;
	} copy;
	const union mp_event *event;
	int err;

	if (entry->len > sizeof(copy))
		return -EBADMSG;
	memset(&copy, 0, sizeof(copy));
	memcpy(&copy, bytes, entry->len);
	switch (entry->kind) {
	case KIND_EVENT:
		err = event__decode(&copy, entry->len, &event);
		if (err)
			return err;
		on_event(event, ctx);
		return 0;
	case KIND_LOSS:
		if (entry->len != sizeof(copy.loss) || copy.loss.pad)
			return -EBADMSG;
		on_lost(copy.loss.tgid, &copy.loss.range, ctx);
		return 0;
	default:
		return -EBADMSG;
	}
}

int recording__replay(const void *data, size_t len, collector_event_fn *on_event,
		      collector_lost_fn *on_lost, void *ctx)
{
	const char *at = data, *end = at + len;
	struct entry entry;
	size_t pad;
	int err;

	if (len < sizeof(magic) || memcmp(at, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	for (at += sizeof(magic); at < end; at += entry.len + pad) {
		if ((size_t)(end - at) < sizeof(entry))
			return -EBADMSG;
		memcpy(&entry, at, sizeof(entry));
		at += sizeof(entry);
		pad = padding(entry.len);
		if ((size_t)(end - at) < (size_t)entry.len + pad)
			return -EBADMSG;
		for (size_t i = 0; i < pad; i++) {
			if (at[entry.len + i])
				return -EBADMSG;
		}
		err = hand_on(&entry, at, on_event, on_lost, ctx);
		if (err)
			return err;
	}
	return 0;
}
