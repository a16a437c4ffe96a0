// SPDX-License-Identifier: BSD-2-Clause
#include "collect/kills.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kills {
	struct ring_buffer *ring;
	kills_fn *on_kill;
	void *ctx;
};

int kill__decode(const void *record, size_t len, struct mp_kill *ret)
{
	if (len != sizeof(*ret))
		return -EBADMSG;
	memcpy(ret, record, sizeof(*ret));
	if (!ret->tgid || ret->comm[MP_COMM_LEN - 1] || ret->trigger_comm[MP_COMM_LEN - 1])
		return -EBADMSG;
	return 0;
}

static int on_record(void *ctx, void *record, size_t len)
{
	struct kills *kills = ctx;
	struct mp_kill kill;

	if (!kill__decode(record, len, &kill))
		kills->on_kill(&kill, kills->ctx);
	return 0;
}

int kills__new(int map, kills_fn *on_kill, void *ctx, struct kills **ret)
{
	struct kills *kills = calloc(1, sizeof(*kills));
	int err;

	if (!kills)
		return -ENOMEM;
	*kills = (struct kills){.on_kill = on_kill, .ctx = ctx};
	kills->ring = ring_buffer__new(map, on_record, kills, NULL);
	if (!kills->ring) {
		err = -errno;
		free(kills);
		return err;
	}
	*ret = kills;
	return 0;
}

void kills__free(struct kills *kills)
{
	if (!kills)
		return;
	ring_buffer__free(kills->ring);
	free(kills);
}

int kills__fd(const struct kills *kills)
{
	return ring_buffer__epoll_fd(kills->ring);
}

void kills__drain(struct kills *kills)
{
	ring_buffer__consume(kills->ring);
}
