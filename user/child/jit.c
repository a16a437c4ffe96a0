// SPDX-License-Identifier: BSD-2-Clause
#include "child/jit.h"

#include <sys/stat.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"

void jit__forget(struct jit *jit)
{
	perfmap__free(jit->map);
	*jit = (struct jit){};
}

static void read_map(struct jit *jit, int fd)
{
	_cleanup_buf_ struct buf text = {};
	struct perfmap *map;
	struct stat st;
	uint64_t mtime_ns;

	if (fstat(fd, &st))
		return;
	mtime_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	if (jit->map && jit->size == (uint64_t)st.st_size && jit->mtime_ns == mtime_ns)
		return;
	/* It may grow while it is read; what comes then is read the next time. */
	if (buf__read_fd(&text, fd, PERFMAP_BYTES_MAX) || perfmap__parse(text.data, text.len, &map))
		return;
	perfmap__free(jit->map);
	jit->map = map;
	jit->size = st.st_size;
	jit->mtime_ns = mtime_ns;
}

const char *jit__find(struct jit *jit, uint64_t pc, open_map_fn open_map, void *ctx,
		      uint32_t process)
{
	_cleanup_close_ int fd = -1;
	uint64_t now = clock__boot_ns();

	if (!jit->asked_ns || now - jit->asked_ns >= NSEC_PER_SEC) {
		jit->asked_ns = now;
		fd = open_map(ctx, process);
		if (fd >= 0)
			read_map(jit, fd);
	}
	return jit->map ? perfmap__find(jit->map, pc) : NULL;
}
