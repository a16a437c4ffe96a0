// SPDX-License-Identifier: BSD-2-Clause
#include "proc/unshared.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "proc/memory.h"
#include "proc/pagemap.h"
#include "proc/process.h"
#include "proc/rollup.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

/* Below both, smaps is read as fast as the pagemap is asked for. */
#define LEAST_VMAS  1000
#define LEAST_BYTES (64ULL << 20)

#define KSM_MAX 64

/* Pages of files and shared memory, and their address space, so many for each VMA and besides:
 * these are looked at one by one. */
#define PAGES_PER_VMA 2
#define PAGES_BESIDES 8192
#define SPACE_PER_VMA 100
#define SPACE_BESIDES 65536

static bool nothing_is_swapped(void)
{
	struct sysinfo info;

	return !sysinfo(&info) && info.freeswap == info.totalswap;
}

static bool is_zero(const struct buf *text)
{
	return text->len && !strcmp(text->data, "0\n");
}

/* Without CONFIG_KSM there are no such files. ksm_stat has both, but looks at each VMA for that;
 * which process has zero pages of KSM (Linux 6.6) only that tells, so no process may have any. */
static bool has_no_ksm(int pidfd)
{
	_cleanup_buf_ struct buf own = {}, zero = {};
	_cleanup_close_ int fd = open("/sys/kernel/mm/ksm/ksm_zero_pages", O_RDONLY | O_CLOEXEC);
	int err = process__read(pidfd, "ksm_merging_pages", KSM_MAX, &own);

	if (err)
		return err == -ENOENT;
	return is_zero(&own) && (fd < 0 || (!buf__read_fd(&zero, fd, KSM_MAX) && is_zero(&zero)));
}

/* Those that this kernel tells, 0, and the others unknown: as it has them of ourselves. */
static const struct page_kinds *no_kinds(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct page_kinds kinds;
	static bool read;

	pthread_mutex_lock(&lock);
	if (!read) {
		_cleanup_close_ int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct rollup rollup;

		read = self >= 0 && !rollup__read(self, &rollup);
		for (size_t kind = 0; read && kind < PAGE_KINDS; kind++)
			kinds.bytes[kind] =
				rollup.kinds.bytes[kind] == UNKNOWN_BYTES ? UNKNOWN_BYTES : 0;
	}
	pthread_mutex_unlock(&lock);
	return read ? &kinds : NULL;
}

/* Pages of these are nobody else's. */
static bool is_own(const struct vma *vma)
{
	switch ((enum vma_kind)vma->kind) {
	case VMA_ANON:
	case VMA_ANON_NAMED:
	case VMA_HEAP:
	case VMA_STACK:
		return vma->perms[3] == 'p';
	default:
		return false;
	}
}

/* What pagemap shows of these is not what smaps counts: a driver may have anything there, and
 * io_uring can free lazily without a call of its own. */
static bool is_clear(const struct vma *vma)
{
	return vma->kind != VMA_HUGETLB && vma->kind != VMA_DEVICE && vma->kind != VMA_DEV_ZERO;
}

static int look_at_maps(int pidfd, const atomic_bool *stop, uint64_t rss, struct vma_set *set)
{
	int err = procfs__vmas(pidfd, SMAPS_MAPS, stop, set);

	if (err)
		return err;
	if (set->n < LEAST_VMAS && rss < LEAST_BYTES)
		return -ERANGE;
	for (size_t i = 0; i < set->n; i++) {
		if (!is_clear(&set->vmas[i]))
			return -ENODATA;
	}
	return 0;
}

/* Which kind the huge pages of a file are (it may be of a tmpfs) is not known here. */
static int settle_kinds(struct vma *vma, const struct page_kinds *none)
{
	struct page_kinds found = vma->kinds;

	if (vma->kind == VMA_FILE && found.bytes[PAGES_FILE_HUGE] != UNKNOWN_BYTES)
		return -ENODATA;
	vma->kinds = *none;
	for (size_t kind = 0; kind < PAGE_KINDS; kind++) {
		if (found.bytes[kind] != UNKNOWN_BYTES)
			vma->kinds.bytes[kind] = found.bytes[kind];
	}
	return 0;
}

/* Of all VMAs; of those that are its own, sharing as well. */
static int count_pages(int pidfd, const struct page_kinds *none, struct vma_set *set)
{
	_cleanup_close_ int fd = process__openat(pidfd, "pagemap", O_RDONLY);
	int err = fd < 0 ? fd : pagemap__count_vmas(fd, set->vmas, set->n, 0);

	for (size_t i = 0; !err && i < set->n; i++) {
		struct vma *vma = &set->vmas[i];

		err = settle_kinds(vma, none);
		if (is_own(vma))
			vma->pss = vma->private_dirty = vma->rss;
	}
	return err;
}

static bool is_affordable(const struct vma_set *set)
{
	uint64_t page = sysconf(_SC_PAGESIZE), rss = 0, size = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct vma *vma = &set->vmas[i];

		if (!is_own(vma) && vma->rss) {
			rss += vma->rss;
			size += vma->end - vma->start;
		}
	}
	return rss <= (set->n * PAGES_PER_VMA + PAGES_BESIDES) * page &&
	       size <= (set->n * SPACE_PER_VMA + SPACE_BESIDES) * page;
}

/* Of each run of VMAs that are not its own: their entries are read together. */
static int add_sharing(int pidfd, const struct mapcounts *mapcounts, struct vma_set *set)
{
	_cleanup_close_ int frames = -1;
	int err = 0;

	if (!is_affordable(set))
		return -E2BIG;
	frames = mapcounts__open(mapcounts, pidfd);
	if (frames < 0)
		return frames;
	for (size_t i = 0, n; !err && i < set->n; i += n) {
		for (n = 0; i + n < set->n && !is_own(&set->vmas[i + n]);)
			n++;
		if (n)
			err = mapcounts__add(mapcounts, frames, &set->vmas[i], n);
		n += !n;
	}
	return err;
}

/* Each page that is there counts as mapped; a driver's do not. */
static bool all_are_told(const struct vma_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct vma *vma = &set->vmas[i];

		if (vma->private_dirty + vma->shared_dirty != vma->rss)
			return false;
	}
	return true;
}

static int try(int pidfd, const struct mapcounts *mapcounts, const atomic_bool *stop,
	       struct resident *r)
{
	const struct page_kinds *none = no_kinds();
	struct proc_memory before, after;
	uint64_t hugetlb;
	int err = procfs__memory(pidfd, &before);

	if (!err && !none)
		return -ENODATA;
	err = err ?: look_at_maps(pidfd, stop, before.rss, &r->set);
	err = err ?: procfs__hugetlb(pidfd, &hugetlb);
	if (!err && (hugetlb || !nothing_is_swapped() || !has_no_ksm(pidfd)))
		err = -ENODATA;
	err = err ?: count_pages(pidfd, none, &r->set);
	err = err ?: add_sharing(pidfd, mapcounts, &r->set);
	err = err ?: procfs__memory(pidfd, &after);
	if (err)
		return err;
	resident__add_up(r);
	/* Pages that are not what the kernel counts, or were put elsewhere meanwhile. */
	return !r->swap && all_are_told(&r->set) &&
			       proc_memory__lies_between(r->rss, &before, &after)
		       ? 0
		       : -EUCLEAN;
}

int unshared__read(int pidfd, const struct mapcounts *mapcounts, const atomic_bool *stop,
		   struct resident *ret)
{
	struct resident r = {};
	int err = try(pidfd, mapcounts, stop, &r);

	if (!err || err == -ERANGE)
		*ret = r;
	else
		vma_set__free(&r.set);
	return err;
}
