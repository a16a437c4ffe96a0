// SPDX-License-Identifier: BSD-2-Clause
#include "collect/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

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
	add(recording, KIND_EVENT, event, event__size(event));
}

void recording__add_loss(struct buf *recording, uint32_t tgid, const struct mp_lost_range *range)
{
	struct loss loss = {.tgid = tgid, .range = *range};

	add(recording, KIND_LOSS, &loss, sizeof(loss));
}

struct replay {
	void *aligned; /* EVENT_MAX bytes: an entry lies on no boundary in particular */
	collector_event_fn *on_event;
	collector_lost_fn *on_lost;
	void *ctx;
};

static int hand_on(const struct replay *replay, const struct entry *entry, const char *bytes)
{
	const union mp_event *event;
	struct loss loss;
	int err;

	switch (entry->kind) {
	case KIND_EVENT:
		if (entry->len > EVENT_MAX)
			return -EBADMSG;
		memcpy(replay->aligned, bytes, entry->len);
		err = event__decode(replay->aligned, entry->len, &event);
		if (err)
			return err;
		replay->on_event(event, replay->ctx);
		return 0;
	case KIND_LOSS:
		if (entry->len != sizeof(loss))
			return -EBADMSG;
		memcpy(&loss, bytes, sizeof(loss));
		if (loss.pad)
			return -EBADMSG;
		replay->on_lost(loss.tgid, &loss.range, replay->ctx);
		return 0;
	default:
		return -EBADMSG;
	}
}

int recording__replay(const void *data, size_t len, collector_event_fn *on_event,
		      collector_lost_fn *on_lost, void *ctx)
{
	const char *at = data, *end = at + len;
	_cleanup_free_ void *aligned = malloc(EVENT_MAX);
	struct replay replay = {aligned, on_event, on_lost, ctx};
	struct entry entry;
	size_t pad;
	int err;

	if (!aligned)
		return -ENOMEM;
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
		err = hand_on(&replay, &entry, at);
		if (err)
			return err;
	}
	return 0;
}
