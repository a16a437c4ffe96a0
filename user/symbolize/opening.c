// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/opening.h"

#include <errno.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/channel.h"

static int ask(int socket, int root, const struct opener_request *request,
	       bool (*suits)(int fd, void *ctx), void *ctx)
{
	uint64_t deadline = clock__boot_ns() + OPENER_ANSWER_NS;
	bool busy = false;
	int err = channel__send(socket, request, sizeof(*request), root, deadline);

	if (err)
		return err;
	for (size_t i = 0; i < request->n; i++) {
		_cleanup_close_ int fd = -1;
		int32_t answer;
		ssize_t n = channel__receive(socket, &answer, sizeof(answer), &fd, deadline);

		if (n != sizeof(answer))
			return n < 0 ? n : -EPIPE;
		if (fd >= 0 && suits(fd, ctx))
			return take_fd(fd);
		busy |= answer == -EAGAIN;
	}
	return busy ? -EAGAIN : -ENOENT;
}

int opening__open(struct launcher *launcher, int root, const struct opener_request *request,
		  bool (*suits)(int fd, void *ctx), void *ctx)
{
	struct launched opener;
	int result = launch__start(launcher, LAUNCHER_OPEN, &opener);

	if (result)
		return result;
	result = ask(opener.socket, root, request, suits, ctx);
	launch__end(launcher, &opener);
	return result;
}
