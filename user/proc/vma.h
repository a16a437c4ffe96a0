/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of /proc/PID/maps, or one record of /proc/PID/smaps, as the kernel shows it
 * (fs/proc/task_mmu.c, proc(5)), and the ordered set of them that one reading gives.
 *
 * In a set the ranges ascend and never overlap. Amounts are bytes; a set read from maps has
 * none, and its kinds of pages are not known. Names are decoded: the kernel writes a newline in a
 * path as "\012" and nothing else.
 */
#ifndef MEMPROV_VMA_H
#define MEMPROV_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/page_kinds.h"
#include "util/buf.h"

/* What a VMA is, as far as its line tells. */
enum vma_kind {
	VMA_ANON = 0,	 /* private anonymous, no name */
	VMA_ANON_NAMED,	 /* [anon:NAME] */
	VMA_SHMEM_NAMED, /* [anon_shmem:NAME] */
	VMA_HEAP,	 /* [heap] */
	VMA_STACK,	 /* [stack] */
	VMA_KERNEL,	 /* [vdso], [vvar], [vsyscall], [uprobes], …: the kernel's own */
	VMA_FILE,	 /* a file on disk (or what looks like one) */
	VMA_DEV_ZERO,	 /* private /dev/zero: anonymous memory in all but name */
	VMA_SHARED_ANON, /* MAP_SHARED|MAP_ANONYMOUS: "/dev/zero (deleted)" */
	VMA_MEMFD,	 /* "/memfd:NAME (deleted)" */
	VMA_SYSV,	 /* "/SYSVkey (deleted)": shmget(2) */
	VMA_DEV_SHM,	 /* a file in /dev/shm: shm_open(3) */
	VMA_HUGETLB,	 /* huge pages: "/anon_hugepage", or VmFlags ht */
	VMA_DEVICE,	 /* anon_inode, io_uring, aio, /dev/…: memory of a driver */
};

/* VmFlags that matter to us. */
enum vma_flag {
	VMA_GROWS_DOWN = 1 << 0, /* gd */
	VMA_HUGE_TLB = 1 << 1,	 /* ht */
	VMA_SHARED = 1 << 2,	 /* sh, or the s of perms */
	VMA_IO = 1 << 3,	 /* io, pf: no struct pages behind it */
};

struct vma {
	uint64_t start;
	uint64_t end; /* exclusive */
	uint64_t offset;
	uint64_t inode; /* 0: no file */
	uint32_t major;
	uint32_t minor;
	char perms[5]; /* "rw-p" */
	uint8_t kind;  /* enum vma_kind */
	uint8_t flags; /* enum vma_flag */
	uint32_t name; /* into vma_set.names; 0 is the empty name */

	/* From smaps, in bytes. */
	uint64_t rss;
	uint64_t pss;
	uint64_t shared_clean;
	uint64_t shared_dirty;
	uint64_t private_clean;
	uint64_t private_dirty;
	uint64_t swap;
	uint64_t swap_pss;
	uint64_t shared_hugetlb;
	uint64_t private_hugetlb;
	struct page_kinds kinds;
};

struct vma_set {
	struct vma *vmas;
	size_t n;
	size_t cap;
	struct buf names; /* NUL-separated; offset 0 is "" */
	size_t names_cut; /* names that were too long to be kept in full: SMAPS_NAME_MAX */

	/* Records that overlapped those before them: the process changed its map between two reads.
	 * The later record is kept; of the earlier, what lies before it, its amounts by size. */
	size_t torn;
};

void vma_set__free(struct vma_set *set);

/* The name as the kernel shows it, decoded: "", "/lib/x.so", "[heap]", "[anon:cache]". Lives as
 * long as the set. */
const char *vma_set__name(const struct vma_set *set, const struct vma *vma);

/* For VMA_ANON_NAMED and VMA_SHMEM_NAMED: what stands between the brackets, leading space
 * trimmed (Go and glibc put one), copied to name; "" for other kinds. */
void vma_set__anon_name(const struct vma_set *set, const struct vma *vma, char *name, size_t len);

/* The VMA that contains addr, or NULL. */
const struct vma *vma_set__find(const struct vma_set *set, uint64_t addr);

#endif
