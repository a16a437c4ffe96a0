// SPDX-License-Identifier: BSD-2-Clause
#include "proc/rollup.h"

#include <errno.h>
#include <string.h>

#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/number.h"

#define ROLLUP_MAX (64 * 1024)

static const struct {
	const char *key;
	size_t field;
} keys[] = {
	{"Rss:", offsetof(struct rollup, rss)},
	{"Swap:", offsetof(struct rollup, swap)},
	{"Shared_Hugetlb:", offsetof(struct rollup, shared_hugetlb)},
	{"Private_Hugetlb:", offsetof(struct rollup, private_hugetlb)},
	{"Pss:", offsetof(struct rollup, pss)},
	{"Pss_Anon:", offsetof(struct rollup, anonymous)},
	{"Pss_File:", offsetof(struct rollup, file)},
	{"Pss_Shmem:", offsetof(struct rollup, shmem)},
};

/* "Pss:                 206 kB" */
static int parse_line(const char *line, const char *eol, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);
	uint64_t kb;

	if ((size_t)(eol - line) < len || memcmp(line, key, len))
		return -ENOENT;
	line += len;
	while (line < eol && *line == ' ')
		line++;
	if (number__scan(&line, eol, 10, &kb) || kb > UINT64_MAX / 1024 || eol - line != 3 ||
	    memcmp(line, " kB", 3))
		return -EBADMSG;
	*ret = kb * 1024;
	return 0;
}

int rollup__parse(const char *text, size_t len, struct rollup *ret)
{
	const char *end = text + len, *eol;
	struct rollup rollup = {};
	unsigned seen = 0;
	int err;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', end - text);
		if (!eol)
			return -EBADMSG;
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			err = parse_line(text, eol, keys[i].key,
					 (uint64_t *)((char *)&rollup + keys[i].field));
			if (err == -EBADMSG)
				return err;
			if (!err)
				seen |= 1u << i;
		}
	}
	if (seen != (1u << ARRAY_SIZE(keys)) - 1)
		return -EBADMSG;
	*ret = rollup;
	return 0;
}

int rollup__read(int pidfd, struct rollup *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = procfs__read(pidfd, "smaps_rollup", ROLLUP_MAX, &text);

	return err ? err : rollup__parse(text.data ?: "", text.len, ret);
}
