/* SPDX-License-Identifier: BSD-2-Clause */
/* The files and processes that the child has been told of. The parent bounds how many. */
#ifndef MEMPROV_CHILD_TABLES_H
#define MEMPROV_CHILD_TABLES_H

#include "child/hotspot.h"
#include "child/jit.h"
#include "child/symbols.h"
#include "child/unwind.h"

struct child_process {
	struct child_process *next;
	uint32_t number;
	struct code_map map;
	struct jit jit;
	struct hotspot hotspot;
};

struct child_tables {
	struct elf_module *files[WIRE_FILES_MAX]; /* by number, from 1 */
	struct child_process *processes;
	uint32_t last_process; /* that was asked about */
};

/* Takes fd. 0, -ENOMEM, -EBADMSG. */
int child_tables__add_file(struct child_tables *tables, uint32_t number, int fd,
			   find_debug_fn find_debug, void *ctx);
struct elf_module *child_tables__file(const struct child_tables *tables,
				      uint32_t number); /* or NULL */
void child_tables__drop_file(struct child_tables *tables, struct symbols *symbols, uint32_t number);

int child_tables__add_rows(struct child_tables *tables, const struct wire_image *image, size_t len);
void child_tables__drop_process(struct child_tables *tables, uint32_t number);
struct child_process *child_tables__find(struct child_tables *tables, uint32_t number);

/* Another process may know the debug files that could not be looked for in the last one: files that
 * have none for that reason are read again. With `again`, also for the same process. */
void child_tables__enrich(struct child_tables *tables, struct symbols *symbols, uint32_t process,
			  bool again);

/*
 * Gives back what reading files took, when `memory` gets short: what is asked for again is read
 * again. The least recently used goes first. What has been used since `recent` stays, so
 * that a process whose files are larger than all others' is not read anew for every stack; only
 * when what was allocated (files are mapped) comes near the limit does everything go.
 */
void child_tables__make_room(struct child_tables *tables, struct symbols *symbols, uint64_t memory,
			     uint64_t recent);

void child_tables__drop_all(struct child_tables *tables, struct symbols *symbols);
bool child_tables__is_empty(const struct child_tables *tables);

#endif
