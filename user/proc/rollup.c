// SPDX-License-Identifier: BSD-2-Clause
#include "proc/rollup.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proc/process.h"
#include "util/cleanup.h"
#include "util/number.h"

#define ROLLUP_MAX (64 * 1024)

#define FIELD(member) offsetof(struct rollup, member)
#define KIND(kind)    FIELD(kinds.bytes[kind])

/* Lines of one field add up. */
static const struct {
	const char *key;
	size_t field;
	bool optional; /* where the kernel has no such line, the amount is not known */
} keys[] = {
	{"Rss:", FIELD(rss), false},
	{"Swap:", FIELD(swap), false},
	{"Pss:", FIELD(pss), false},
	{"Pss_Anon:", FIELD(anonymous), false},
	{"Pss_File:", FIELD(file), false},
	{"Pss_Shmem:", FIELD(shmem), false},
	{"Shared_Hugetlb:", KIND(PAGES_HUGETLB), false},
	{"Private_Hugetlb:", KIND(PAGES_HUGETLB), false},
	{"LazyFree:", KIND(PAGES_LAZYFREE), true},
	{"KSM:", KIND(PAGES_KSM), true}, /* 6.8 */
	{"AnonHugePages:", KIND(PAGES_ANON_HUGE), true},
	{"ShmemPmdMapped:", KIND(PAGES_SHMEM_HUGE), true},
	{"FilePmdMapped:", KIND(PAGES_FILE_HUGE), true},
};

/* "Pss:                 206 kB" */
static int parse_line(const char *line, const char *eol, const char *key, uint64_t *sum)
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
	*sum = *sum == UNKNOWN_BYTES ? kb * 1024 : *sum + kb * 1024;
	return 0;
}

int rollup__parse(const char *text, size_t len, struct rollup *ret)
{
	const char *end = text + len, *eol;
	struct rollup rollup = {.kinds = page_kinds_unknown};
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
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!keys[i].optional && !(seen & 1u << i))
			return -EBADMSG;
	}
	*ret = rollup;
	return 0;
}

int rollup__read(int pidfd, struct rollup *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = process__read(pidfd, "smaps_rollup", ROLLUP_MAX, &text);

	return err ? err : rollup__parse(text.data ?: "", text.len, ret);
}
