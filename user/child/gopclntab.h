/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Go's own table of functions and lines (.gopclntab), which the runtime needs for its stack traces
 * and so is there also in binaries linked with -ldflags "-s -w". The formats of Go 1.2, 1.16, 1.18
 * and 1.20, both byte orders, 4- and 8-byte pointers. A parser over a buffer; nothing is copied.
 *
 * A function's name is the one that the code was compiled into: what was inlined there is not told
 * apart (its tree cannot be found without the runtime's module data). The file and line are those
 * of the innermost.
 */
#ifndef MEMPROV_GOPCLNTAB_H
#define MEMPROV_GOPCLNTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gopclntab {
	const uint8_t *data; /* the whole table */
	size_t size;
	unsigned version; /* 12, 116, 118, 120 */
	bool big_endian;
	uint8_t quantum;  /* the smallest instruction */
	uint8_t ptr_size; /* 4 or 8 */
	uint64_t n_functions;
	/* Where addresses of functions count from: 0 before 1.18, when they are absolute. A file
	 * that was linked to be position-independent may have 0 here, and Go 1.26 always does; then
	 * the caller sets it to the beginning of Go's text. */
	uint64_t text_start;
	/* Offsets into data. */
	uint64_t names, units, files, pcs, functions;
	uint32_t n_files; /* 1.2 only */
};

struct gofunction {
	const char *name; /* within the table, NUL-terminated */
	const char *file; /* NULL: not known */
	uint32_t line;	  /* 0: not known */
	uint64_t start;	  /* address of its first byte */
};

/* 0 or -EINVAL. The data must outlive ret. */
int gopclntab__parse(const uint8_t *data, size_t size, struct gopclntab *ret);

/* pc as the file's addresses are. 0 or -ENOENT. */
int gopclntab__find(const struct gopclntab *table, uint64_t pc, struct gofunction *ret);

#endif
