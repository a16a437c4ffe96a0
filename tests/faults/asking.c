// SPDX-License-Identifier: BSD-2-Clause
/* Rooms that ask another process, or the kernel for something else than a file. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collect/faults.h"
#include "proc/mapcounts.h"
#include "proc/procfs.h"
#include "proc/vmas.h"
#include "scenarios.h"
#include "tracer/memory_limit.h"
#include "tracer/privilege.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/channel.h"

#define DEADLINE_NS (NSEC_PER_SEC / 20)

/* --- wire ------------------------------------------------------------------------------------- */

static int send_one(int socket, const void *packet, size_t len)
{
	_cleanup_close_ int fd = dup(socket);

	if (fd < 0)
		return -errno;
	return channel__send(socket, packet, len, fd, clock__boot_ns() + DEADLINE_NS);
}

/* What is received is whole, or nothing is. */
static int packet(struct said *said)
{
	int ends[2];
	_cleanup_close_ int here = -1, there = -1, fd = -1;
	char sent[1000], received[sizeof(sent)];
	ssize_t n;
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	here = ends[0];
	there = ends[1];
	memset(sent, 'x', sizeof(sent));
	err = send_one(here, sent, sizeof(sent));
	if (err)
		return err;
	n = channel__receive(there, received, sizeof(received), &fd,
			     clock__boot_ns() + DEADLINE_NS);
	if (n < 0)
		return n;
	if (n != sizeof(sent) || memcmp(sent, received, n) || fd < 0)
		return -EBADMSG;
	say(said, "%zd bytes and a descriptor\n", n);
	return 0;
}

/* --- proc ------------------------------------------------------------------------------------- */

static int open_counts(const struct mapcounts *mapcounts)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", faults_subject);

	return pidfd < 0 ? pidfd : mapcounts__open(mapcounts, pidfd);
}

static int count(const struct mapcounts *mapcounts, int pagemap, struct said *said)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", faults_subject);
	_cleanup_(vma_set__free) struct vma_set set = {};
	int err = pidfd < 0 ? pidfd : procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set);

	err = err ?: mapcounts__add(mapcounts, pagemap, set.vmas, set.n);
	for (size_t i = 0; !err && i < set.n; i++)
		say(said, "%lx %lu\n", set.vmas[i].start, set.vmas[i].private_dirty);
	return err;
}

/* Without it reports read smaps. */
static int counts(struct said *said)
{
	struct mapcounts *mapcounts =
		mapcounts__new("/proc", privilege__held(HELD_BY_PAGEMAP_SERVER));
	int pagemap = mapcounts ? open_counts(mapcounts) : -ENODEV;
	int err = pagemap < 0 ? pagemap : count(mapcounts, pagemap, said);

	if (pagemap >= 0)
		close(pagemap);
	mapcounts__free(mapcounts);
	return err;
}

/* --- collect, tracer -------------------------------------------------------------------------- */

static int page_faults(struct said *said)
{
	char why[256] = "";
	struct faults *faults = NULL;
	int err = faults__open(why, sizeof(why), &faults);

	if (!err)
		say(said, "an event on each CPU\n");
	else if (err != -ENOMEM && !why[0])
		return -EBADMSG;
	faults__close(faults);
	return err;
}

/* Where the cgroup's limit cannot be read, it follows from the machine. */
static int limit(struct said *said)
{
	say(said, "%lu\n", memory_limit__default("/proc"));
	return 0;
}

const struct scenario scenarios_asking[] = {
	{"wire", "a packet with a descriptor", ONLY_READS, packet},
	{"proc", "how often pages are mapped", MAY_LOSE, counts},
	{"collect", "the page faults of each CPU", 0, page_faults},
	{"tracer", "the memory limit", MAY_LOSE, limit},
	{},
};
