// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/classify.h"

#include <string.h>

#include "util/cleanup.h"

/*
 * Names that runtimes and allocators give their own mappings with PR_SET_VMA_ANON_NAME, leading
 * space trimmed. The first that fits counts.
 *
 * Go: runtime/set_vma_name_linux.go and the callers of sysReserve and sysAlloc (1.25).
 * glibc: __set_vma_name in malloc/, elf/, nptl/, stdlib/ (2.39; glibc.mem.decorate_maps).
 * tcmalloc: "tcmalloc_region_" and the tag; jemalloc: JEMALLOC_PAGEID; Android: scudo, bionic.
 * PHP: the callers of zend_mmap_set_name (8.3; Debian's 8.2, too).
 */
static const struct {
	const char *name;
	bool prefix;
	enum category category;
} runtime_names[] = {
	{"Go: heap", false, CATEGORY_RUNTIME_HEAP},
	{"Go: heap reservation", false, CATEGORY_RUNTIME_HEAP},
	{"Go: ", true, CATEGORY_RUNTIME_METADATA},
	{"glibc: malloc", true, CATEGORY_RUNTIME_HEAP},
	{"glibc: pthread", true, CATEGORY_RUNTIME_STACK},
	{"glibc: ", true, CATEGORY_RUNTIME_METADATA},
	{"tcmalloc_region_METADATA", true, CATEGORY_RUNTIME_METADATA},
	{"tcmalloc_region_", true, CATEGORY_RUNTIME_HEAP},
	{"jemalloc_pg", true, CATEGORY_RUNTIME_HEAP},
	{"mimalloc", false, CATEGORY_RUNTIME_HEAP},
	{"libc_malloc", false, CATEGORY_RUNTIME_HEAP},
	{"scudo:", true, CATEGORY_RUNTIME_HEAP},
	{"stack_and_tls:", true, CATEGORY_RUNTIME_STACK},
	{"zend_alloc", false, CATEGORY_RUNTIME_HEAP},
	{"zend_fiber_stack", false, CATEGORY_RUNTIME_STACK},
	{"zend_huge_code_pages", false, CATEGORY_RUNTIME_METADATA},
};

/* Base names of PT_INTERP, as far as Linux distributions have them. */
static const char *const loader_prefixes[] = {"ld-linux", "ld-musl-", "ld64.so", "ld.so", "ld-2."};

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool classify__is_loader(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;

	for (size_t i = 0; i < ARRAY_SIZE(loader_prefixes); i++) {
		if (starts_with(base, loader_prefixes[i]))
			return true;
	}
	return false;
}

/* What the kernel would name: no file, or shmem that has no path (vma_is_anon_shmem()), memfds
 * among it; and private /dev/zero, which it would not. */
bool classify__can_be_named(const struct vma *vma)
{
	return vma->kind == VMA_ANON || vma->kind == VMA_SHARED_ANON || vma->kind == VMA_MEMFD ||
	       vma->kind == VMA_DEV_ZERO;
}

static enum category by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(runtime_names); i++) {
		bool fits = runtime_names[i].prefix ? starts_with(name, runtime_names[i].name)
						    : strcmp(name, runtime_names[i].name) == 0;

		if (fits)
			return runtime_names[i].category;
	}
	return CATEGORY_NAMED;
}

/* Memory that may not be read now, but was touched while it could be, fits nowhere. */
static enum category by_permission(const struct vma *vma)
{
	if (vma->perms[2] == 'x')
		return CATEGORY_ANON_X;
	if (vma->perms[1] == 'w')
		return CATEGORY_ANON_RW;
	return vma->perms[0] == 'r' ? CATEGORY_ANON_RO : CATEGORY_OTHER;
}

static enum category by_role(enum file_role role)
{
	switch (role) {
	case FILE_ROLE_BINARY:
		return CATEGORY_BINARY;
	case FILE_ROLE_LOADER:
	case FILE_ROLE_LIBRARY:
		return CATEGORY_LIBRARY;
	case FILE_ROLE_OTHER:
		break;
	}
	return CATEGORY_OTHER_FILE;
}

/* No process can open it any more, and its pages are written: HotSpot makes a heap of such a file
 * (-XX:AllocateHeapAt), on tmpfs or on a disk. */
static bool is_unlinked_memory(const struct part *part)
{
	static const char deleted[] = " (deleted)";
	size_t len = part->name ? strlen(part->name) : 0;

	return part->perms[1] == 'w' && part->perms[3] == 's' && len >= strlen(deleted) &&
	       !strcmp(part->name + len - strlen(deleted), deleted);
}

static bool holds_memory(const struct part *part, const struct callsite *site)
{
	switch (part->category) {
	case CATEGORY_ANON_RW:
	case CATEGORY_ANON_RO:
	case CATEGORY_ANON_X:
		return true;
	case CATEGORY_SHARED_MEMORY:
		return !site->private_only;
	case CATEGORY_OTHER_FILE:
		return !site->private_only && is_unlinked_memory(part);
	default:
		return false;
	}
}

void classify__by_site(struct part *part, const struct callsite *site)
{
	if (!holds_memory(part, site))
		return;
	switch ((enum frame_use)site->use) {
	case FRAME_HEAP:
		part->category = CATEGORY_RUNTIME_HEAP;
		break;
	case FRAME_STACK:
		part->category = CATEGORY_RUNTIME_STACK;
		break;
	case FRAME_METADATA:
		part->category = CATEGORY_RUNTIME_METADATA;
		break;
	case FRAME_UNSAID:
	case FRAME_NO_USE:
		break;
	}
}

enum category classify__part(const struct vma *vma, const char *given_name, enum file_role role)
{
	if (given_name)
		return by_name(given_name);
	/* A program can run from a memfd. */
	if (vma->inode && role == FILE_ROLE_BINARY)
		return CATEGORY_BINARY;
	switch ((enum vma_kind)vma->kind) {
	case VMA_HEAP:
		return CATEGORY_RUNTIME_HEAP;
	case VMA_STACK:
		return CATEGORY_RUNTIME_STACK;
	case VMA_FILE:
		return by_role(role);
	case VMA_SHARED_ANON:
	case VMA_SHMEM_NAMED:
	case VMA_MEMFD:
	case VMA_SYSV:
	case VMA_DEV_SHM:
		return CATEGORY_SHARED_MEMORY;
	case VMA_HUGETLB:
		return vma->flags & VMA_SHARED ? CATEGORY_SHARED_MEMORY : by_permission(vma);
	case VMA_ANON:
	case VMA_ANON_NAMED:
	case VMA_DEV_ZERO:
		return by_permission(vma);
	case VMA_KERNEL:
	case VMA_DEVICE:
		break;
	}
	return CATEGORY_OTHER;
}
