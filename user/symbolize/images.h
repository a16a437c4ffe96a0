/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parent knows of the processes whose stacks it has been asked for: where their code is,
 * and which files that is. Files have numbers, one for all processes that have mapped the same one;
 * a file that no process here has mapped any more has no number, and nothing keeps it open.
 *
 * The tables are bounded; the process that was not asked for the longest goes first.
 */
#ifndef MEMPROV_IMAGES_H
#define MEMPROV_IMAGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "proc/build_id.h"
#include "proc/mounts.h"
#include "wire/wire.h"

#define IMAGES_MAX 64 /* processes */

struct images;
struct visitor;

struct image_row {
	struct wire_row wire;
	const char *name; /* as the process sees it; NULL: no file is there, nor beside it */
};

/* A process's code as last read. */
struct image {
	uint32_t number; /* of the process, for the child */
	pid_t tgid;
	uint64_t start_ticks;
	uint64_t program; /* that it runs (proc/program.h); 0: none has been read */
	uint64_t read_ns; /* when reading it began */
	uint64_t end_ns;  /* and ended */
	uint64_t cost_ns; /* CPU time that this took */
	bool told;	  /* the child knows */
	struct image_row *rows;
	const char **names; /* of the rows */
	size_t n;
	unsigned deaths;   /* of the child while it was at this process, in no file */
	uint64_t death_ns; /* the last one */
	uint64_t late_ns;  /* when reading its memory took too long; 0: never */
};

/* To the child: rows and files. After a negative result it is told no more of the image. */
struct images_teller {
	int (*file)(void *ctx, uint32_t number, int fd);
	int (*drop_file)(void *ctx, uint32_t number);
	int (*drop_process)(void *ctx, uint32_t number);
	int (*rows)(void *ctx, const struct image *image);
	void *ctx;
};

struct images *images__new(const char *proc, const struct images_teller *teller);
void images__free(struct images *images); /* accepts NULL */

/*
 * The process's code, which the child has been told when this returns. Read anew when it was last
 * read before since_ns. -ECOMM, with *ret all the same, when the child could not be told;
 * -ESRCH when the process has gone before anything could be read, or what else kept it from being
 * read. Valid until the next call.
 *
 * The visitor, which may be NULL, enters the process (proc/crew.h): -ETIMEDOUT and -EUSERS are as
 * visitor__enter() has them. -ECANCELED: it was left behind there, and another thread has the
 * images now, so nothing of them may be touched any more.
 */
int images__get(struct images *images, pid_t tgid, uint64_t start_ticks, uint64_t since_ns,
		struct visitor *visitor, struct image **ret);

/*
 * A stack led to where no code is. True when that may be because the map was read before the stack
 * was taken; then images__get() reads it again. So one reading serves all stacks that waited for
 * it. When no code was mapped since (mprotect(2) makes some, as V8 does, and no event tells), a map
 * is read again at a tenth of a CPU, or twice a second if it takes long: many lead nowhere.
 */
bool images__refresh(struct image *image, uint64_t taken_ns, uint64_t code_added_ns);

uint64_t images__maps_read(const struct images *images);

bool images__is_empty(const struct images *images);
void images__forget(struct images *images, pid_t tgid, uint64_t start_ticks);

/* The child has let everything go, or is another one. */
void images__untell(struct images *images);

/* The child has died reading the file; one that it dies of again is not shown to it any more. */
void images__blame(struct images *images, uint32_t file);

/* The process's mapping of a file that the child asks about, and its directory: a descriptor, or
 * -ESRCH (it runs another program by now, too), -ENOENT. The name is the image's. */
int images__open_process(const struct images *images, const struct image *image);
/* The mounts of the process, as of since_ns or later, or NULL. Those that were read for this image
 * last are read again only if they are older. */
const struct mounts *images__mounts(struct images *images, const struct image *image, int pidfd,
				    uint64_t since_ns);
const struct image_row *image__row_at(const struct image *image, uint64_t pc); /* or NULL */

/* A file that the child asks about: as the process names it, and its build id. NULL when the
 * process has not mapped it. The name is the image's. */
const char *images__name_of(const struct images *images, const struct image *image, uint32_t file,
			    struct build_id *ret_id);

/* As in file_table.h, of a file that an image has. */
void images__set_python(struct images *images, uint32_t file, const struct mp_python_file *python);
const struct mp_python_file *images__python(const struct images *images, uint32_t file);

/* What is known of the process, or NULL; nothing is read. */
const struct image *images__known(struct images *images, pid_t tgid, uint64_t start_ticks);

#endif
