// SPDX-License-Identifier: BSD-2-Clause
#include "report/runtime.h"

#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

/* A program is told by its own name; a runtime that lives in a library (Debian's node and the JVM
 * do) by that library's. Names may go on with a version. */
static const struct {
	bool program; /* or a library */
	const char *name;
	enum runtime runtime;
} signs[] = {
	{false, "libjvm.so", RUNTIME_JAVA},   {true, "node", RUNTIME_NODE},
	{true, "nodejs", RUNTIME_NODE},	      {false, "libnode.so", RUNTIME_NODE},
	{true, "python", RUNTIME_PYTHON},     {true, "pypy", RUNTIME_PYTHON},
	{false, "libpython", RUNTIME_PYTHON},
};

/* name, then a version ("3.11", ".so.108") and nothing else but what marks a deleted file. */
static bool is_versioned(const char *base, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(base, name, len) != 0)
		return false;
	base += len;
	base += strspn(base, "0123456789.so");
	return !*base || strcmp(base, " (deleted)") == 0;
}

static bool has_library(const struct vma_set *set, const char *name)
{
	uint32_t last = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct vma *vma = &set->vmas[i];

		if (vma->kind != VMA_FILE || vma->name == last)
			continue;
		last = vma->name;
		if (is_versioned(text__base_name(vma_set__name(set, vma)), name))
			return true;
	}
	return false;
}

enum runtime runtime__recognise(const struct vma_set *set, const char *exe, bool exe_is_go)
{
	if (exe_is_go)
		return RUNTIME_GO;
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (signs[i].program ? exe && is_versioned(text__base_name(exe), signs[i].name)
				     : has_library(set, signs[i].name))
			return signs[i].runtime;
	}
	return RUNTIME_NATIVE;
}
