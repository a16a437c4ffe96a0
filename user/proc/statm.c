// SPDX-License-Identifier: BSD-2-Clause
#include "proc/statm.h"

#include <errno.h>
#include <unistd.h>

#include "util/number.h"

#define STATM_ERROR (2 << 20) /* bytes */

#define STATM_MAX 256

/* Amounts are multiplied: what the kernel cannot mean must not wrap around. */
#define AMOUNT_MAX (UINT64_MAX >> 16)

int proc_statm__parse(const char *text, size_t len, uint64_t page_size, struct proc_memory *ret)
{
	const char *pos = text, *end = text + len;
	uint64_t size, rss, shared;

	if (number__scan(&pos, end, 10, &size) || pos == end || *pos++ != ' ' ||
	    number__scan(&pos, end, 10, &rss) || pos == end || *pos++ != ' ' ||
	    number__scan(&pos, end, 10, &shared) || (pos != end && *pos != ' ') ||
	    size > AMOUNT_MAX || rss > AMOUNT_MAX || shared > AMOUNT_MAX)
		return -EBADMSG;
	*ret = (struct proc_memory){size * page_size, rss * page_size, shared * page_size};
	return 0;
}

int procfs__statm(int fd, struct proc_memory *ret)
{
	struct proc_memory memory;
	char text[STATM_MAX];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	int err = n < 0 ? -errno : proc_statm__parse(text, n, sysconf(_SC_PAGESIZE), &memory);

	if (err)
		return err;
	if (!memory.size)
		return -ESRCH;
	*ret = memory;
	return 0;
}

bool proc_memory__lies_between(uint64_t rss, const struct proc_memory *a,
			       const struct proc_memory *b)
{
	uint64_t low = a->rss < b->rss ? a->rss : b->rss;
	uint64_t high = a->rss < b->rss ? b->rss : a->rss;

	return rss + STATM_ERROR >= low && rss <= high + STATM_ERROR;
}
