/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side of opener.h. */
#ifndef MEMPROV_OPENING_H
#define MEMPROV_OPENING_H

#include "symbolize/launch.h"
#include "symbolize/opener.h"

/* The first of the files below `root` that suits, for reading; -ENOENT when none is
 * there, or none may be read, or none suits; -EAGAIN: one of them could not be opened now, because
 * a process has a lease on it (fcntl(2)), say; -errno when no process could look. */
int opening__open(struct launcher *launcher, int root, const struct opener_request *request,
		  bool (*suits)(int fd, void *ctx), void *ctx);

#endif
