// SPDX-License-Identifier: BSD-2-Clause
#include "proc/vma_kind.h"

#include <string.h>

#include "util/cleanup.h"

/* What else must hold for a name to mean what it says. */
enum needs {
	ANY = 0,
	/*
	 * The kernel's own mounts (shmem, hugetlbfs, aio, anon_inode) have device major 0. Files on
	 * a disk have not, so that a deleted "/memfd:x" in the root of a disk stays a file.
	 */
	INTERNAL = 1 << 0,
	IS_SHARED = 1 << 1,
	IS_PRIVATE = 1 << 2,
};

#define DELETED " (deleted)"

/*
 * The first rule that fits decides. Paths of files begin with "/" and come from d_path(), names in
 * brackets are the kernel's (get_vma_name() in fs/proc/task_mmu.c), so that a file called
 * "/tmp/[heap]" fits no rule but the one for files.
 */
static const struct rule {
	const char *begins;
	const char *ends; /* NULL: nothing may follow `begins` */
	enum needs needs;
	enum vma_kind kind;
} rules[] = {
	{"[anon:", "]", ANY, VMA_ANON_NAMED},
	{"[anon_shmem:", "]", ANY, VMA_SHMEM_NAMED},
	{"[heap]", NULL, ANY, VMA_HEAP},
	{"[stack]", NULL, ANY, VMA_STACK},
	{"[", "", ANY, VMA_KERNEL},

	{"/dev/zero" DELETED, NULL, IS_SHARED, VMA_SHARED_ANON},
	{"/dev/zero" DELETED, NULL, IS_PRIVATE, VMA_DEV_ZERO},
	{"/dev/zero", NULL, IS_PRIVATE, VMA_DEV_ZERO},
	{"/memfd:", DELETED, INTERNAL, VMA_MEMFD},
	{"/secretmem" DELETED, NULL, INTERNAL, VMA_MEMFD}, /* memfd_secret(2) */
	{"/SYSV", DELETED, INTERNAL, VMA_SYSV},
	{"/anon_hugepage", NULL, INTERNAL, VMA_HUGETLB},
	{"/anon_hugepage" DELETED, NULL, INTERNAL, VMA_HUGETLB},
	{"/dev/hugepages/", "", INTERNAL, VMA_HUGETLB},
	{"/dev/shm/", "", ANY, VMA_DEV_SHM},

	{"/[aio]" DELETED, NULL, INTERNAL, VMA_DEVICE},
	{"/dmabuf:", "", INTERNAL, VMA_DEVICE},
	{"/drm mm object" DELETED, NULL, INTERNAL, VMA_DEVICE},
	{"/dev/", "", ANY, VMA_DEVICE},
	{"/", "", ANY, VMA_FILE},

	{"", "", ANY, VMA_DEVICE}, /* "anon_inode:[io_uring]", "socket:[4711]" */
};

static bool rule__fits(const struct rule *rule, const struct vma *vma, const char *name, size_t len)
{
	size_t begins, ends;

	/* Most mappings have no name, and most rules are for one. */
	if (*rule->begins && (!len || *name != *rule->begins))
		return false;
	begins = strlen(rule->begins);
	ends = rule->ends ? strlen(rule->ends) : 0;
	if (len < begins + ends || memcmp(name, rule->begins, begins))
		return false;
	if (rule->ends ? memcmp(name + len - ends, rule->ends, ends) != 0 : len != begins)
		return false;
	return !((rule->needs & INTERNAL && vma->major) ||
		 (rule->needs & IS_SHARED && !(vma->flags & VMA_SHARED)) ||
		 (rule->needs & IS_PRIVATE && vma->flags & VMA_SHARED));
}

enum vma_kind vma_kind__of(const struct vma *vma, const char *name, size_t len)
{
	/* Most have no name. Where there is a file, d_path() failed. */
	if (!len)
		return vma->inode ? VMA_FILE : VMA_ANON;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rule__fits(&rules[i], vma, name, len))
			return rules[i].kind;
	}
	return VMA_FILE;
}
