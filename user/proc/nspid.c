// SPDX-License-Identifier: BSD-2-Clause
#include "proc/nspid.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "proc/process.h"
#include "util/number.h"

#define KEY	   "NStgid:" /* NSpid would be the thread's */
#define STATUS_MAX (64 * 1024)

static int parse_values(const char *pos, const char *eol, struct nspid *ret)
{
	struct nspid nspid = {};
	uint64_t value;
	size_t n = 0;

	for (; pos < eol; n++) {
		if (*pos++ != '\t' || number__scan(&pos, eol, 10, &value) || value > INT32_MAX)
			return -EBADMSG;
		nspid.pid = value;
	}
	if (!n)
		return -EBADMSG;
	nspid.depth = n - 1;
	*ret = nspid;
	return 0;
}

int nspid__parse(const char *text, size_t len, struct nspid *ret)
{
	const char *end = text + len, *eol;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', end - text);
		if (!eol)
			return -EBADMSG;
		if ((size_t)(eol - text) > strlen(KEY) && !memcmp(text, KEY, strlen(KEY)))
			return parse_values(text + strlen(KEY), eol, ret);
	}
	return -EBADMSG;
}

int nspid__read(int pidfd, struct nspid *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = process__read(pidfd, "status", STATUS_MAX, &text);

	return err ? err : nspid__parse(text.data, text.len, ret);
}
