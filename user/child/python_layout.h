/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where CPython has its frames: the offsets of its structures, by version. From 3.13 on, the
 * interpreter says them itself, in a structure that its _PyRuntime begins with (_Py_DebugOffsets);
 * of 3.11 and 3.12 there is a table. Builds without a GIL, others, and those from before 3.11 are
 * not known.
 */
#ifndef MEMPROV_PYTHON_LAYOUT_H
#define MEMPROV_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "child/elf_module.h"
#include "python.h"

#define PYTHON_OFFSETS_MAX 1024 /* bytes of _PyRuntime that are looked at */

/* Pure: by Py_Version, and what _PyRuntime begins with in the file. False when the version is not
 * known, or says of itself what cannot be. */
bool python_layout__of(uint64_t version, const uint8_t *runtime, size_t len,
		       struct mp_python_layout *ret);

/* Of a module: where its _PyRuntime is, and its layout; all zeros when it has none that is known.
 */
void python_layout__find(struct elf_module *module, struct mp_python_file *ret);

#endif
