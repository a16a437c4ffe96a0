/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of C++ and Rust functions as people write them, the way gdb does: "ns::f(int)",
 * "alloc::vec::Vec<T>::push". The mangled names come from files that are not trusted: a short
 * one can stand for gigabytes of text.
 */
#ifndef MEMPROV_DEMANGLE_H
#define MEMPROV_DEMANGLE_H

#include <stdbool.h>

#define DEMANGLE_IN_MAX	 4096 /* bytes of a mangled name; a longer one stays as it is */
#define DEMANGLE_OUT_MAX 4096 /* with the final NUL; a longer answer is cut and ends in "..." */

/* True when it was a mangled name; ret is untouched otherwise (C, Go, nonsense). */
bool demangle__name(const char *mangled, char ret[DEMANGLE_OUT_MAX]);

#endif
