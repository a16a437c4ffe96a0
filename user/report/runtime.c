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

/* The first of the signs for libraries that one of the process's files is. */
static size_t find_library(const struct vma_set *set)
{
	size_t first = ARRAY_SIZE(signs);
	uint32_t last = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct vma *vma = &set->vmas[i];

		if (vma->kind != VMA_FILE || vma->name == last)
			continue;
		last = vma->name;
		for (size_t s = 0; s < first; s++) {
			if (!signs[s].program &&
			    is_versioned(text__base_name(vma_set__name(set, vma)), signs[s].name))
				first = s;
		}
	}
	return first;
}

enum runtime runtime__recognise(const struct vma_set *set, const char *exe, bool exe_is_go)
{
	size_t first;

	if (exe_is_go)
		return RUNTIME_GO;
	first = find_library(set);
	for (size_t i = 0; exe && i < first; i++) {
		if (signs[i].program && is_versioned(text__base_name(exe), signs[i].name))
			return signs[i].runtime;
	}
	return first < ARRAY_SIZE(signs) ? signs[first].runtime : RUNTIME_NATIVE;
}
