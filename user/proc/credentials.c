// SPDX-License-Identifier: BSD-2-Clause
#include "proc/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/number.h"

#define STATUS_MAX (64 * 1024)

/* What stands behind the key that a line begins with, and its end; NULL when there is none. */
static const char *find_line(const char *text, size_t len, const char *key, const char **ret_eol)
{
	const char *end = text + len, *eol;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', end - text);
		if (!eol)
			return NULL;
		if ((size_t)(eol - text) >= strlen(key) && !memcmp(text, key, strlen(key))) {
			*ret_eol = eol;
			return text + strlen(key);
		}
	}
	return NULL;
}

/* The n numbers of the line that begins with key, each behind a tab. 0 or -EBADMSG. */
static int scan_line(const char *text, size_t len, const char *key, int base, uint64_t *ret,
		     size_t n)
{
	const char *eol, *at = find_line(text, len, key, &eol);

	for (size_t i = 0; at && i < n; i++) {
		if (at == eol || *at++ != '\t' || number__scan(&at, eol, base, &ret[i]))
			return -EBADMSG;
	}
	return at ? 0 : -EBADMSG;
}

/* Behind a tab, each with a space behind it. What is not understood gives no rights. */
static size_t scan_groups(const char *text, size_t len, gid_t ret[GROUPS_MAX])
{
	const char *eol, *at = find_line(text, len, "Groups:\t", &eol);
	size_t n = 0;
	uint64_t gid;

	while (at && n < GROUPS_MAX && !number__scan(&at, eol, 10, &gid) && gid <= UINT32_MAX) {
		ret[n++] = gid;
		if (at < eol && *at == ' ')
			at++;
	}
	return n;
}

int credentials__parse(const char *text, size_t len, struct credentials *ret)
{
	uint64_t uids[4], gids[4];
	struct credentials c = {};

	if (scan_line(text, len, "Uid:", 10, uids, 4) ||
	    scan_line(text, len, "Gid:", 10, gids, 4) ||
	    scan_line(text, len, "CapPrm:", 16, &c.permitted, 1) ||
	    scan_line(text, len, "CapEff:", 16, &c.effective, 1))
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		if (uids[i] > UINT32_MAX || gids[i] > UINT32_MAX)
			return -EBADMSG;
		c.uids[i] = uids[i];
		c.gids[i] = gids[i];
	}
	c.n_groups = scan_groups(text, len, c.groups);
	*ret = c;
	return 0;
}

int credentials__read(int dir, struct credentials *ret)
{
	_cleanup_buf_ struct buf text = {};

	return procfs__read(dir, "status", STATUS_MAX, &text)
		       ?: credentials__parse(text.data ?: "", text.len, ret);
}

/* This file's owner is the effective user while the process is dumpable, else root
 * (task_dump_owner, fs/proc/base.c); the directory itself is the user's in any case. */
bool credentials__is_dumpable(const struct credentials *credentials, int dir)
{
	struct stat st;

	return !fstatat(dir, "environ", &st, 0) && st.st_uid == credentials->uids[1];
}

static int look_at(int dir, pid_t tid, void *ctx)
{
	struct reader *reader = ctx;
	struct credentials c;
	int err = credentials__read(dir, &c);

	(void)tid;
	err = err ?: namespace__read(dir, "ns/user", &reader->user);
	err = err ?: namespace__read(dir, "ns/pid", &reader->pid);
	if (err)
		return err;
	reader->uid = c.uids[3];
	reader->gid = c.gids[3];
	reader->effective = credentials__is_dumpable(&c, dir) ? c.effective : 0;
	return 0;
}

int reader__of(int pidfd, struct reader *ret)
{
	struct reader reader;
	int err = process__visit(pidfd, look_at, &reader);

	if (!err)
		*ret = reader;
	return err;
}

bool reader__equal(const struct reader *a, const struct reader *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->effective == b->effective &&
	       namespace__equal(&a->user, &b->user) && namespace__equal(&a->pid, &b->pid);
}

static bool may_ptrace(const struct reader *reader)
{
	return reader->effective & CAPABILITY_BIT(CAP_SYS_PTRACE);
}

/* Over every process, dumpable or not. */
static bool may_ptrace_all(const struct reader *reader)
{
	return may_ptrace(reader) && reader->user.ino == USER_NS_INIT;
}

/* Do its capabilities reach into the process's user namespace (cap_capable, security/commoncap.c)?
 * Over a namespace that it made itself its user has all of them, in the one that it was made from.
 */
static bool may_ptrace_there(const struct reader *reader, int pidfd)
{
	uid_t owner = (uid_t)-1;

	return namespace__is_within(pidfd, "ns/user", &reader->user, &owner) &&
	       (may_ptrace(reader) || (owner != (uid_t)-1 && owner == reader->uid));
}

static bool is_of_same_rights(const struct reader *reader, int pidfd, const struct credentials *c)
{
	struct ns_id theirs;

	for (int i = 0; i < 3; i++) {
		if (c->uids[i] != reader->uid || c->gids[i] != reader->gid)
			return false;
	}
	return !(c->permitted & ~reader->effective) &&
	       !namespace__read(pidfd, "ns/user", &theirs) &&
	       namespace__equal(&theirs, &reader->user);
}

/* 1 or 0. */
static int may_read(int dir, pid_t tid, void *ctx)
{
	const struct reader *reader = *(const struct reader **)ctx;
	struct credentials c;

	(void)tid;
	if (!namespace__is_within(dir, "ns/pid", &reader->pid, NULL) || credentials__read(dir, &c))
		return 0;
	if (may_ptrace_all(reader))
		return 1;
	return credentials__is_dumpable(&c, dir) &&
	       (may_ptrace_there(reader, dir) || is_of_same_rights(reader, dir, &c));
}

bool reader__may_read(const struct reader *reader, int pidfd)
{
	return process__visit(pidfd, may_read, &reader) == 1;
}

bool reader__may_read_all(const struct reader *reader, int init)
{
	return may_ptrace_all(reader) && namespace__is_within(init, "ns/pid", &reader->pid, NULL);
}
