/* SPDX-License-Identifier: BSD-2-Clause */
/* How a mapping came to be (docs/http.md, `regions[].origin`). */
#ifndef MEMPROV_ORIGIN_H
#define MEMPROV_ORIGIN_H

enum origin {
	/* Witnessed by an event. */
	ORIGIN_MMAP,
	ORIGIN_BRK,
	ORIGIN_MREMAP, /* the part by which an mremap made a mapping larger */
	ORIGIN_SHMAT,
	/* Known by other evidence. */
	ORIGIN_EXEC,	 /* execve mapped it: the program, its loader, their .bss */
	ORIGIN_STACK,	 /* the main stack */
	ORIGIN_KERNEL,	 /* vdso, vvar, … */
	ORIGIN_PREDATES, /* it was there when tracing began */
	ORIGIN_UNKNOWN,	 /* it came while we were tracing and nothing told us */
	ORIGINS,
};

#endif
