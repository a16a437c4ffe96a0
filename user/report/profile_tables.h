/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of a profile under construction: strings, mappings, functions and locations, each
 * thing once, with the numbers by which others name it.
 *
 *     sample ──▶ location ──▶ mapping        a location is an address of a module, and has a line
 *                    │                       for each function that was inlined there
 *                    └─line──▶ function
 *
 * Addresses. A call site is the same whereever a module was loaded, so a profile has no addresses
 * of a process. Each module is given a range of MAPPING_SIZE of its own, and an address of its ELF
 * file becomes start + address. The size is the same for all, because readers take modules of
 * different sizes for different ones when they compare two profiles.
 */
#ifndef MEMPROV_PROFILE_TABLES_H
#define MEMPROV_PROFILE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"
#include "profile.pb-c.h"
#include "util/arena.h"

#define MAPPING_SIZE (1ULL << 36)

struct id_table {
	struct id_entry *entries; /* in the order of their ids */
};

struct profile_tables {
	struct arena *arena;
	struct id_table strings;
	struct id_table mappings;
	struct id_table functions;
	struct id_table locations; /* by the addresses of their frames */
	struct id_table labels;
	uint64_t salt;
	bool failed; /* out of memory */
};

/* Everything is the arena's, but for the tables themselves: free them before it. */
void profile_tables__init(struct profile_tables *tables, struct arena *arena);
void profile_tables__free(struct profile_tables *tables);

/* The place of a text in the string table, from 0; the first is "". What is not UTF-8 becomes
 * U+FFFD, what steers a terminal is spelled out, as in \x1b: readers show names as they are. 0 for
 * NULL, and for all when out of memory. */
int64_t profile_tables__string(struct profile_tables *tables, const char *text);

/* Ids from 1; 0: out of memory. */
uint64_t profile_tables__mapping(struct profile_tables *tables, const char *file,
				 const char *build_id);

/* Frames of one place: the innermost first, of which all but the last were inlined. They are kept
 * once (model/frame_table.h), so they are compared by their addresses, and live as long as the
 * tables. */
uint64_t profile_tables__location(struct profile_tables *tables, const struct frame *const *frames,
				  size_t n);

/* A place that is none, such as "[no stack]". */
uint64_t profile_tables__label(struct profile_tables *tables, const char *text);

/* Puts the tables into a profile, which then points to them. */
void profile_tables__finish(struct profile_tables *tables, Pprof__Profile *ret);

#endif
