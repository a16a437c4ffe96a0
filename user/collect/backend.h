/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two ways to see system calls, of which one is used, whole. The object has a program of each
 * kind for every call, around the same handler:
 *
 *   tracepoints    a flag on every thread: each system call of the node gets slower
 *   fentry, fexit  the kernel's functions of these calls are patched: no other call pays
 *
 * What the kernel allows is found out by trying, never by its version.
 */
#ifndef MEMPROV_BACKEND_H
#define MEMPROV_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_object;
struct btf;

/* What is asked for. Auto: fexit where the kernel allows all of it, and without losses, else
 * tracepoints. */
enum backend { BACKEND_AUTO, BACKEND_FEXIT, BACKEND_TRACEPOINT };

/* What is used. */
enum attach_by { ATTACH_BY_TRACEPOINTS, ATTACH_BY_FEXIT };

/* "tracepoint", "fexit": the value of tracing.backend in reports. */
const char *attach_by__name(enum attach_by by);

/* Whether a program is loaded, by the name of its section. Raw tracepoints are used both ways. */
bool attach_by__uses(enum attach_by by, const char *section);

/* The kernel's function that a section "fentry/NAME" or "fexit/NAME" is for; NULL: it is for none.
 */
const char *section__function(const char *section);

/* Marks which programs of an object that is not loaded yet are to be loaded. */
void attach_by__select(enum attach_by by, struct bpf_object *object);

/* Whether the kernel has every function that the object wants to attach to: 0, or -ENOENT and the
 * missing ones, in words, in why. */
int fexit__find_functions(const struct bpf_object *object, const struct btf *kernel, char *why,
			  size_t why_len);

/* Tries the whole of it in small: are the functions there, is a program of the type loaded, is it
 * attached. 0 with whether programs can ask to keep their CPU (Linux 6.10); or -errno, and why. */
int fexit__probe(const struct bpf_object *object, bool *ret_can_keep_cpu, char *why,
		 size_t why_len);

#endif
