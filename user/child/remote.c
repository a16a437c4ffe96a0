// SPDX-License-Identifier: BSD-2-Clause
#include "child/remote.h"

#include <string.h>

#include "util/clock.h"

void remote__begin(struct remote *remote, uint32_t process, uint64_t taken_ns)
{
	uint64_t now = clock__boot_ns();

	remote->since_ns = now > REMOTE_KEPT_NS ? now - REMOTE_KEPT_NS : 1;
	if (taken_ns > remote->since_ns)
		remote->since_ns = taken_ns;
	remote->fetches = 0;
	remote->reads = 0;
	for (size_t i = 0; i < REMOTE_LINES && remote->process != process; i++)
		remote->lines[i].read_ns = 0;
	remote->process = process;
}

static struct remote_line *place(struct remote *remote, uint64_t at)
{
	uint64_t mixed = at / REMOTE_LINE * 0x9e3779b97f4a7c15ULL;

	return &remote->lines[(mixed >> 32) % REMOTE_LINES];
}

static bool has(const struct remote *remote, const struct remote_line *line, uint64_t at)
{
	return line->at == at && line->read_ns >= remote->since_ns;
}

static void fetch(struct remote *remote, struct remote_line *line, uint64_t at)
{
	struct wire_range range = {at, REMOTE_LINE};

	if (remote->fetches >= REMOTE_FETCHES_MAX)
		return;
	remote->fetches++;
	line->read_ns = clock__boot_ns();
	line->at = at;
	line->len = remote->fetch(remote->ctx, &range, line->bytes);
}

static const struct remote_line *find(struct remote *remote, uint64_t at)
{
	struct remote_line *line = place(remote, at);

	at -= at % REMOTE_LINE;
	if (!has(remote, line, at))
		fetch(remote, line, at);
	return has(remote, line, at) ? line : NULL;
}

/* Up to the end of the line: how many of the bytes, 0 when there are none. */
static size_t read_some(struct remote *remote, uint64_t at, void *ret, size_t len)
{
	const struct remote_line *line = find(remote, at);
	size_t skip = at % REMOTE_LINE;

	if (!line || line->len <= skip || remote->reads >= REMOTE_READS_MAX)
		return 0;
	remote->reads++;
	if (len > line->len - skip)
		len = line->len - skip;
	memcpy(ret, line->bytes + skip, len);
	return len;
}

bool remote__read(struct remote *remote, uint64_t at, void *ret, size_t len)
{
	uint8_t *to = ret;

	while (len) {
		size_t n = read_some(remote, at, to, len);

		if (!n)
			return false;
		at += n;
		to += n;
		len -= n;
	}
	return true;
}

bool remote__u8(struct remote *remote, uint64_t at, uint8_t *ret)
{
	return remote__read(remote, at, ret, sizeof(*ret));
}

bool remote__u16(struct remote *remote, uint64_t at, uint16_t *ret)
{
	return remote__read(remote, at, ret, sizeof(*ret));
}

bool remote__u32(struct remote *remote, uint64_t at, uint32_t *ret)
{
	return remote__read(remote, at, ret, sizeof(*ret));
}

bool remote__word(struct remote *remote, uint64_t at, uint64_t *ret)
{
	return remote__read(remote, at, ret, sizeof(*ret));
}

bool remote__string(struct remote *remote, uint64_t at, char *ret, size_t size)
{
	size_t len = 0;

	while (len < size) {
		size_t n = read_some(remote, at + len, ret + len, size - len);

		if (!n)
			return false;
		if (memchr(ret + len, '\0', n))
			return true;
		len += n;
	}
	return false;
}
