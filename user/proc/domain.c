// SPDX-License-Identifier: BSD-2-Clause
#include "proc/domain.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "proc/process.h"
#include "util/fnv.h"

struct looking {
	struct domain domain;
	struct credentials credentials;
	pid_t tgid;
	uint64_t start_ticks;
};

/* A kernel that was built without this kind has one for all. */
static int read_namespace(int dir, const char *name, struct ns_id *ret)
{
	int err = namespace__read(dir, name, ret);

	return err == -ENOENT ? 0 : err;
}

/* As a text, because a root on a server might keep whoever looks at it waiting. */
static int read_root(int dir, uint64_t *ret)
{
	char path[PATH_MAX];
	ssize_t len = readlinkat(dir, "root", path, sizeof(path));

	if (len < 0)
		return -errno;
	*ret = fnv__bytes(path, len);
	return 0;
}

static int look(int dir, pid_t tid, void *ctx)
{
	struct looking *looking = ctx;
	struct credentials *credentials = &looking->credentials;
	struct domain *domain = &looking->domain;
	int err = credentials__read(dir, credentials);

	(void)tid;
	*domain = (struct domain){};
	if (err)
		return err;
	memcpy(domain->uids, credentials->uids, sizeof(domain->uids));
	memcpy(domain->gids, credentials->gids, sizeof(domain->gids));
	domain->permitted = credentials->permitted;
	err = read_namespace(dir, "ns/user", &domain->user);
	err = err ?: read_namespace(dir, "ns/pid", &domain->pid);
	err = err ?: read_namespace(dir, "ns/mnt", &domain->mnt);
	err = err ?: read_root(dir, &domain->root);
	if (err == -ESRCH)
		return err;
	/* What cannot be told is not taken for being shared. */
	if (err || !credentials__is_dumpable(credentials, dir)) {
		domain->alone = looking->tgid;
		domain->start_ticks = looking->start_ticks;
	}
	return 0;
}

int domain__of(int pidfd, pid_t tgid, uint64_t start_ticks, struct domain *ret,
	       struct credentials *ret_credentials)
{
	struct looking looking = {.tgid = tgid, .start_ticks = start_ticks};
	int err = process__visit(pidfd, look, &looking);

	if (err)
		return err;
	*ret = looking.domain;
	*ret_credentials = looking.credentials;
	return 0;
}

bool domain__shares_namespaces(const struct domain *a, const struct domain *b)
{
	return namespace__equal(&a->user, &b->user) && namespace__equal(&a->pid, &b->pid) &&
	       namespace__equal(&a->mnt, &b->mnt);
}

bool domain__equal(const struct domain *a, const struct domain *b)
{
	return !memcmp(a->uids, b->uids, sizeof(a->uids)) &&
	       !memcmp(a->gids, b->gids, sizeof(a->gids)) && a->permitted == b->permitted &&
	       domain__shares_namespaces(a, b) && a->root == b->root && a->alone == b->alone &&
	       a->start_ticks == b->start_ticks;
}

uint64_t domain__tenant(const struct domain *domain)
{
	uint64_t uid = domain->uids[1];

	/* Root's by the mount namespace, whose number has 32 bits. */
	return uid || domain->user.ino != USER_NS_INIT ? uid : (uint64_t)domain->mnt.ino << 32;
}
