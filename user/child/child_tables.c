// SPDX-License-Identifier: BSD-2-Clause
#include "child/child_tables.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- files --------------------------------------------------------------------------------- */

static struct elf_module **place(struct child_tables *tables, uint32_t number)
{
	return number && number <= WIRE_FILES_MAX ? &tables->files[number - 1] : NULL;
}

int child_tables__add_file(struct child_tables *tables, uint32_t number, int fd,
			   find_debug_fn find_debug, void *ctx)
{
	struct elf_module **file = place(tables, number);

	if (!file || *file || fd < 0)
		return -EBADMSG;
	*file = elf_module__new(number, fd, find_debug, ctx);
	return *file ? 0 : -ENOMEM;
}

struct elf_module *child_tables__file(const struct child_tables *tables, uint32_t number)
{
	return number && number <= WIRE_FILES_MAX ? tables->files[number - 1] : NULL;
}

static void unload(struct elf_module *file, struct symbols *symbols)
{
	if (elf_module__dwfl(file))
		symbols__forget(symbols, elf_module__dwfl(file));
	elf_module__unload(file);
}

void child_tables__drop_file(struct child_tables *tables, struct symbols *symbols, uint32_t number)
{
	struct elf_module **file = place(tables, number);

	if (!file || !*file)
		return;
	for (struct child_process *p = tables->processes; p; p = p->next) {
		for (size_t i = 0; i < p->map.n; i++) {
			if (p->map.rows[i].module == *file)
				p->map.rows[i].module = NULL;
		}
	}
	unload(*file, symbols);
	elf_module__free(*file);
	*file = NULL;
}

/* --- processes ----------------------------------------------------------------------------- */

static struct child_process **find(struct child_tables *tables, uint32_t number)
{
	struct child_process **p = &tables->processes;

	while (*p && (*p)->number != number)
		p = &(*p)->next;
	return p;
}

struct child_process *child_tables__find(struct child_tables *tables, uint32_t number)
{
	return *find(tables, number);
}

void child_tables__drop_process(struct child_tables *tables, uint32_t number)
{
	struct child_process **p = find(tables, number), *gone = *p;

	if (!gone)
		return;
	*p = gone->next;
	jit__forget(&gone->jit);
	free(gone->map.rows);
	free(gone);
}

static struct child_process *add_process(struct child_tables *tables, uint32_t number)
{
	struct child_process *process = calloc(1, sizeof(*process));

	if (process) {
		process->number = number;
		process->next = tables->processes;
		tables->processes = process;
	}
	return process;
}

/* Not where they have been forgotten since they were told of, for another process. */
static bool has_files(struct child_tables *tables, const struct wire_image *image)
{
	for (uint32_t i = 0; i < image->n; i++) {
		struct elf_module **file = place(tables, image->rows[i].file);

		if (file && !*file)
			return false;
	}
	return true;
}

int child_tables__add_rows(struct child_tables *tables, const struct wire_image *image, size_t len)
{
	struct child_process *process;
	struct code_row *rows;

	if (len < sizeof(*image) || image->n > WIRE_ROWS_PER_PACKET ||
	    len != sizeof(*image) + image->n * sizeof(image->rows[0]))
		return -EBADMSG;
	process = *find(tables, image->head.number);
	/* The first of them were of no use, and so are the others. */
	if (!process && !image->first)
		return 0;
	if (!has_files(tables, image)) {
		child_tables__drop_process(tables, image->head.number);
		return 0;
	}
	if (!process)
		process = add_process(tables, image->head.number);
	if (!process)
		return -ENOMEM;
	if (image->first) {
		process->map.n = 0;
		hotspot__look_again(&process->hotspot);
	}
	rows = realloc(process->map.rows, (process->map.n + image->n + 1) * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	process->map.rows = rows;
	for (uint32_t i = 0; i < image->n; i++) {
		struct elf_module **file = place(tables, image->rows[i].file);

		rows[process->map.n++] =
			(struct code_row){.wire = image->rows[i], .module = file ? *file : NULL};
	}
	return 0;
}

/* --- all of them --------------------------------------------------------------------------- */

static size_t bytes_allocated(void)
{
	struct mallinfo2 heap = mallinfo2();

	return heap.uordblks + heap.hblkhd;
}

static size_t bytes_of_files(const struct child_tables *tables)
{
	size_t bytes = 0;

	for (size_t i = 0; i < WIRE_FILES_MAX; i++) {
		if (tables->files[i])
			bytes += elf_module__bytes(tables->files[i]);
	}
	return bytes;
}

void child_tables__enrich(struct child_tables *tables, struct symbols *symbols, uint32_t process,
			  bool again)
{
	if (process == tables->last_process && !again)
		return;
	tables->last_process = process;
	for (size_t i = 0; i < WIRE_FILES_MAX; i++) {
		if (tables->files[i] && elf_module__is_poor(tables->files[i]))
			unload(tables->files[i], symbols);
	}
}

/* The one that was not used for the longest, and not since `recent`. */
static struct elf_module *stalest(const struct child_tables *tables, uint64_t recent)
{
	struct elf_module *found = NULL;

	for (size_t i = 0; i < WIRE_FILES_MAX; i++) {
		struct elf_module *file = tables->files[i];

		if (file && elf_module__bytes(file) && elf_module__last_use(file) < recent &&
		    (!found || elf_module__last_use(file) < elf_module__last_use(found)))
			found = file;
	}
	return found;
}

static void unload_all(struct child_tables *tables, struct symbols *symbols)
{
	for (size_t i = 0; i < WIRE_FILES_MAX; i++) {
		if (tables->files[i])
			unload(tables->files[i], symbols);
	}
	for (struct child_process *p = tables->processes; p; p = p->next)
		jit__forget(&p->jit);
}

void child_tables__make_room(struct child_tables *tables, struct symbols *symbols, uint64_t memory,
			     uint64_t recent)
{
	struct elf_module *file;
	bool unloaded = false;

	while (bytes_allocated() + bytes_of_files(tables) > memory / 4 &&
	       (file = stalest(tables, recent))) {
		unload(file, symbols);
		unloaded = true;
	}
	if (bytes_allocated() > memory / 8 * 5) {
		unload_all(tables, symbols);
		unloaded = true;
	}
	if (unloaded)
		malloc_trim(0);
}

void child_tables__drop_all(struct child_tables *tables, struct symbols *symbols)
{
	while (tables->processes)
		child_tables__drop_process(tables, tables->processes->number);
	for (uint32_t number = 1; number <= WIRE_FILES_MAX; number++)
		child_tables__drop_file(tables, symbols, number);
}

bool child_tables__is_empty(const struct child_tables *tables)
{
	for (size_t i = 0; i < WIRE_FILES_MAX; i++) {
		if (tables->files[i])
			return false;
	}
	return !tables->processes;
}
