/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of files, by what stat says of them. A number is the child's name of the file,
 * counted by the processes that have mapped it. No file is kept open here.
 */
#ifndef MEMPROV_FILE_TABLE_H
#define MEMPROV_FILE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "proc/build_id.h"
#include "wire/wire.h"

/* A file changed in place is another file. No padding: compared as bytes. */
struct file_identity {
	uint64_t dev;
	uint64_t inode;
	uint64_t size;
	uint64_t mtime_ns;
	uint64_t ctime_ns;
};

struct file_identity file_identity__of(const struct stat *st);

struct file_table;

struct file_table *file_table__new(void);	 /* NULL when out of memory */
void file_table__free(struct file_table *table); /* accepts NULL */

/* The file's number, which is taken once more; 0 when there is none free, or when the child has
 * died of the file. *ret_new: it was not taken. */
uint32_t file_table__take(struct file_table *table, const struct file_identity *identity,
			  bool *ret_new);
void file_table__take_again(struct file_table *table, uint32_t number);
/* True when it was the last. */
bool file_table__release(struct file_table *table, uint32_t number);
bool file_table__is_full(const struct file_table *table);

/* Of a number that is taken. The build id is the daemon's word, not the child's. */
void file_table__set_build_id(struct file_table *table, uint32_t number, const struct build_id *id);
const struct build_id *file_table__build_id(const struct file_table *table, uint32_t number);

/* What the child has said of the interpreter in it, if there is one; NULL: it was not asked. */
void file_table__set_python(struct file_table *table, uint32_t number,
			    const struct mp_python_file *python);
const struct mp_python_file *file_table__python(const struct file_table *table, uint32_t number);

/* The child died while it read the file. Remembered for a while, also when the number is free. */
void file_table__blame(struct file_table *table, uint32_t number);

#endif
