// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/opening.h"

#include <errno.h>

#include "util/array.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/channel.h"

/* What open(2) says of a file that is not there for the process, and will not be soon. Anything
 * else (descriptors or memory that are short, a lease, a mount that was just moved) is about now.
 */
static bool is_final(int err)
{
	static const int finals[] = {ENOENT, ENOTDIR, EACCES,	   EPERM,	ELOOP,
				     EXDEV,  EREMOTE, EMEDIUMTYPE, ENAMETOOLONG};

	for (size_t i = 0; i < ARRAY_SIZE(finals); i++) {
		if (err == -finals[i])
			return true;
	}
	return false;
}

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
		busy |= fd < 0 && !is_final(answer);
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
