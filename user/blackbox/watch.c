// SPDX-License-Identifier: BSD-2-Clause
#include "blackbox/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proc/cgroup.h"
#include "proc/cgroup_tree.h"
#include "proc/meminfo.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define SCAN_NS	   (2 * NSEC_PER_SEC)
#define LOOK_NS	   (NSEC_PER_SEC / 10)
#define NODE_NS	   (1 * NSEC_PER_SEC)
#define PART	   500	 /* of a CPU, for scans and for looks; */
#define HURRY_PART 10	 /* of a CPU, for scans that kills ask for */
#define HASTE	   10	 /* times as much where one fills */
#define PRESSED	   1000	 /* hundredths of a percent */
#define TEXT_MAX   65536 /* of meminfo */

struct watch {
	const char *proc;
	bool v1;
	struct place *places;
	struct place node;
	uint64_t scan_ns;  /* when the next one is due */
	uint64_t hurry_ns; /* when one may be made for a kill */
};

struct watch *watch__new(const char *proc)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->proc = proc;
	watch->node.path = (char[]){""};
	return watch;
}

static void forget(struct watch *watch, struct place *place)
{
	HASH_DEL(watch->places, place);
	free(place->path);
	free(place);
}

void watch__free(struct watch *watch)
{
	struct place *place, *next;

	if (!watch)
		return;
	HASH_ITER (hh, watch->places, place, next)
		forget(watch, place);
	free(watch);
}

/* --- looking ------------------------------------------------------------------------------- */

static struct place *find(const struct watch *watch, const char *path)
{
	struct place *place;

	HASH_FIND_STR(watch->places, path, place);
	return place;
}

static struct place *add(struct watch *watch, const char *path)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return NULL;
	place->path = strdup(path);
	if (!place->path) {
		free(place);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, watch->places, place->path, strlen(place->path), place);
	if (!HASH_HAS(place)) {
		free(place->path);
		free(place);
		return NULL;
	}
	return place;
}

/* The page cache that is not in use goes before any process does. To ask for it is expensive. */
static void read_usage(const struct watch *watch, struct place *place, int dirfd)
{
	uint64_t usage = cgroup_dir__current(dirfd, watch->v1), used;

	if (usage == CGROUP_UNKNOWN)
		return;
	if (usage >= place->limit / 2) {
		used = cgroup_dir__working_set(dirfd, watch->v1);
		usage = used == CGROUP_UNKNOWN ? usage : used;
	}
	place__note(place, usage, clock__boot_ns());
}

static void scan_one(const char *path, int dirfd, void *ctx)
{
	struct watch *watch = ctx;
	uint64_t limit = cgroup_dir__limit(dirfd, watch->v1), strikes;
	struct place *place;
	struct stat st;

	if (limit == CGROUP_UNKNOWN || !limit || fstat(dirfd, &st))
		return;
	place = find(watch, path) ?: add(watch, path);
	if (!place)
		return;
	place->seen = true;
	place->id = st.st_ino;
	place->limit = limit;
	read_usage(watch, place, dirfd);
	strikes = cgroup_dir__strikes(dirfd, watch->v1);
	if (strikes == CGROUP_UNKNOWN)
		return;
	/* All strikes of one that is new are news. */
	place->strikes_before = place->strikes;
	place->strikes = strikes;
}

static bool is_v1(void)
{
	struct cgroup root = {.path = "/", .v1 = true};
	_cleanup_close_ int dirfd = cgroup__open(&root);

	return dirfd >= 0;
}

static void scan(struct watch *watch)
{
	struct place *place, *next;
	uint64_t cpu = clock__thread_cpu_ns(), took;

	watch->v1 = is_v1();
	for (place = watch->places; place; place = place->hh.next)
		place->seen = false;
	cgroup_tree__each(scan_one, watch, &watch->v1);
	HASH_ITER (hh, watch->places, place, next) {
		if (!place->seen)
			forget(watch, place);
	}
	took = clock__thread_cpu_ns() - cpu;
	watch->hurry_ns = clock__boot_ns() + took * HURRY_PART;
	took *= PART;
	watch->scan_ns = clock__boot_ns() + (took > SCAN_NS ? took : SCAN_NS);
}

static void look_at_node(struct watch *watch)
{
	_cleanup_buf_ struct buf meminfo = {}, pressure = {};
	uint64_t used;
	unsigned some;

	if (!procfs__read_node(watch->proc, "meminfo", TEXT_MAX, &meminfo) &&
	    !meminfo__parse(meminfo.data ?: "", &watch->node.limit, &used))
		place__note(&watch->node, used, clock__boot_ns());
	/* CONFIG_PSI may be off. */
	watch->node.pressed =
		!procfs__read_node(watch->proc, "pressure/memory", TEXT_MAX, &pressure) &&
		!pressure__parse(pressure.data ?: "", &some) && some >= PRESSED;
}

uint64_t watch__look(struct watch *watch)
{
	uint64_t cpu = clock__thread_cpu_ns(), now = clock__boot_ns(), next, took;
	bool scans = now >= watch->scan_ns;

	if (scans)
		scan(watch);
	if (now - watch->node.noted_ns >= NODE_NS)
		look_at_node(watch);
	for (struct place *place = watch->places; !scans && place; place = place->hh.next) {
		_cleanup_close_ int dirfd = watch__open(watch, place);

		if (dirfd >= 0)
			read_usage(watch, place, dirfd);
	}
	took = scans ? 0 : (clock__thread_cpu_ns() - cpu) * PART;
	next = now + (took > LOOK_NS ? took : LOOK_NS);
	for (struct place *place = watch->places; place; place = place->hh.next) {
		if (place__due_ns(place) < next)
			next = place__due_ns(place);
	}
	next = next < watch->scan_ns ? next : watch->scan_ns;
	return next > now + took / HASTE ? next : now + took / HASTE;
}

/* --- reports ------------------------------------------------------------------------------- */

struct place *watch__wants_reports(struct watch *watch)
{
	uint64_t now = clock__boot_ns();

	for (struct place *place = watch->places; place; place = place->hh.next) {
		if (place__wants_reports(place, now))
			return place;
	}
	return watch->node.limit && place__wants_reports(&watch->node, now) ? &watch->node : NULL;
}

void watch__reported(struct watch *watch, struct place *place)
{
	place->reported = place->usage ?: 1;
	place->reported_ns = clock__boot_ns();
}

int watch__open(const struct watch *watch, const struct place *place)
{
	struct cgroup cgroup = {.v1 = watch->v1};

	if (!place->path[0] || strlen(place->path) >= sizeof(cgroup.path))
		return -ENOENT;
	strcpy(cgroup.path, place->path);
	return cgroup__open(&cgroup);
}

uint64_t watch__node_limit(const struct watch *watch)
{
	return watch->node.limit;
}

/* --- kills --------------------------------------------------------------------------------- */

static bool was_hit(const struct watch *watch, struct place *place)
{
	_cleanup_close_ int dirfd = watch__open(watch, place);
	uint64_t strikes = dirfd < 0 ? CGROUP_UNKNOWN : cgroup_dir__strikes(dirfd, watch->v1);

	return strikes != CGROUP_UNKNOWN && strikes > place->strikes_before;
}

static struct place *find_by_id(const struct watch *watch, uint64_t id)
{
	struct place *place = watch->places;

	while (place && place->id != id)
		place = place->hh.next;
	return place;
}

static struct place *first_hit(const struct watch *watch, const __u64 cgroups[MP_KILL_CGROUPS])
{
	for (int i = 0; i < MP_KILL_CGROUPS && cgroups[i]; i++) {
		struct place *place = find_by_id(watch, cgroups[i]);

		if (place && was_hit(watch, place))
			return place;
	}
	return NULL;
}

struct place *watch__hit(struct watch *watch, const __u64 cgroups[MP_KILL_CGROUPS])
{
	struct place *place = first_hit(watch, cgroups);

	/* It may be younger than the last scan. */
	if (!place && cgroups[0] && clock__boot_ns() >= watch->hurry_ns) {
		scan(watch);
		place = first_hit(watch, cgroups);
	}
	return place;
}
