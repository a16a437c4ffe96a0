// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "proc/procfs.h"
#include "util/number.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* Where the fields are that we want, counted as proc(5) counts them. */
enum stat_field { STAT_FLAGS = 9, STAT_THREADS = 20, STAT_START = 22 };

/* " NUMBER"; some are negative, none of those that we want. */
static int scan_field(const char **pos, const char *end, uint64_t *ret)
{
	if (*pos == end || **pos != ' ')
		return -EBADMSG;
	++*pos;
	if (*pos < end && **pos == '-')
		++*pos;
	return number__scan(pos, end, 10, ret) ? -EBADMSG : 0;
}

int proc_stat__parse(const char *text, size_t len, struct proc_stat *ret)
{
	const char *pos = text, *end = text + len, *comm, *close;
	struct proc_stat stat = {};
	uint64_t value;
	size_t n;
	int err;

	if (!len || number__scan(&pos, end, 10, &value) || value > INT32_MAX)
		return -EBADMSG;
	stat.pid = value;
	close = memrchr(text, ')', len);
	if (!close || close - pos < 2 || memcmp(pos, " (", 2))
		return -EBADMSG;
	comm = pos + 2;
	n = close - comm;
	memcpy(stat.comm, comm, n < PROC_COMM_LEN ? n : PROC_COMM_LEN - 1);

	pos = close + 1;
	if (end - pos < 2 || *pos != ' ')
		return -EBADMSG;
	stat.state = pos[1];
	pos += 2;
	for (int field = 4; field <= STAT_START; field++) {
		err = scan_field(&pos, end, &value);
		if (err)
			return err;
		switch (field) {
		case STAT_FLAGS:
			stat.flags = value;
			break;
		case STAT_THREADS:
			stat.threads = value;
			break;
		case STAT_START:
			stat.start_ticks = value;
			break;
		}
	}
	/* More fields follow. A number that ends with the text may have been cut. */
	if (pos == end || (*pos != ' ' && *pos != '\n'))
		return -EBADMSG;
	*ret = stat;
	return 0;
}

bool proc_stat__is_kernel_thread(const struct proc_stat *stat)
{
	return stat->flags & PF_KTHREAD;
}
