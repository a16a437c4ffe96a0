// SPDX-License-Identifier: BSD-2-Clause
#include "child/jit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"

void jit__forget(struct jit *jit)
{
	perfmap__free(jit->map);
	perfmap__free(jit->appended);
	*jit = (struct jit){};
}

/* The file from there on. It may grow while it is read: what comes then is read the next time, and
 * so is a line that has no end yet. */
static int read_from(int fd, uint64_t start, struct perfmap **ret, uint64_t *ret_end)
{
	_cleanup_buf_ struct buf text = {};
	const char *last;
	int err;

	if (lseek(fd, start, SEEK_SET) < 0)
		return -errno;
	err = buf__read_fd(&text, fd, PERFMAP_BYTES_MAX);
	err = err ?: perfmap__parse(text.data, text.len, ret);
	if (err)
		return err;
	last = text.len ? memrchr(text.data, '\n', text.len) : NULL;
	*ret_end = start + (last ? last + 1 - text.data : 0);
	return 0;
}

static void read_whole(struct jit *jit, int fd, uint64_t size, uint64_t mtime_ns)
{
	struct perfmap *map;
	uint64_t end;

	if (read_from(fd, 0, &map, &end))
		return;
	jit->size = size;
	jit->mtime_ns = mtime_ns;
	perfmap__free(jit->map);
	perfmap__free(jit->appended);
	jit->map = map;
	jit->appended = NULL;
	jit->map_end = end;
}

static void read_appended(struct jit *jit, int fd)
{
	struct perfmap *appended;
	uint64_t end;

	if (read_from(fd, jit->map_end, &appended, &end))
		return;
	perfmap__free(jit->appended);
	jit->appended = appended;
	jit->appended_read += end - jit->map_end;
}

static void ask(struct jit *jit, const struct jit_question *question, bool whole)
{
	_cleanup_close_ int fd = question->open_map(question->ctx);
	struct stat st;
	uint64_t mtime_ns;

	jit->asked_ns = question->now_ns;
	if (fd < 0 || fstat(fd, &st))
		return;
	mtime_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	if (jit->map && jit->size == (uint64_t)st.st_size && jit->mtime_ns == mtime_ns)
		return;
	if (whole)
		read_whole(jit, fd, st.st_size, mtime_ns);
	else
		read_appended(jit, fd);
}

static const char *look(const struct jit *jit, uint64_t pc)
{
	const char *name = jit->appended ? perfmap__find(jit->appended, pc) : NULL;

	return name || !jit->map ? name : perfmap__find(jit->map, pc);
}

const char *jit__find(struct jit *jit, const struct jit_question *question)
{
	const char *name;

	if (!jit->looked_ns || question->now_ns - jit->looked_ns >= NSEC_PER_SEC) {
		jit->looked_ns = question->now_ns;
		jit->appended_read = 0;
		ask(jit, question, true);
	}
	name = look(jit, question->pc);
	if (name || !jit->map || question->taken_ns <= jit->asked_ns ||
	    jit->appended_read >= JIT_APPENDED_MAX)
		return name;
	jit->appended_read += JIT_READING;
	ask(jit, question, false);
	return look(jit, question->pc);
}
