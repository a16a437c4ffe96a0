/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of images.h share. */
#ifndef MEMPROV_IMAGES_PARTS_H
#define MEMPROV_IMAGES_PARTS_H

#include <pthread.h>

#include "proc/mounts.h"
#include "symbolize/file_table.h"
#include "symbolize/images.h"
#include "util/arena.h"

#define FILES_OF_PROCESS_MAX (WIRE_FILES_MAX / 4 * 3)
#define ROWS_MAX	     (4 * WIRE_ROWS_MAX) /* of all images */

struct known_image {
	struct image public;
	struct known_image *next;
	struct arena *arena; /* rows and names */
};

/* What a reader that was left behind had taken files for. */
struct orphan {
	struct orphan *next;
	struct arena *arena;
	struct image_row *rows;
	size_t n;
};

struct images {
	const char *proc;
	struct images_teller teller;
	struct file_table *files;
	struct known_image *first; /* the last one asked for */
	uint32_t last_number;
	uint64_t maps_read;
	size_t vdso_size;     /* of our own; 0: not known */
	struct mounts mounts; /* of the image that was read or asked for last */
	uint32_t mounts_of;   /* its number */
	uint64_t mounts_ns;   /* before they were read */

	pthread_mutex_t lock; /* guards what follows */
	struct orphan *orphans;
	unsigned readers; /* that have not come back */
	bool closed;	  /* the last of them frees it */
};

void images__release_rows(struct images *images, const struct image_row *rows, size_t n);

/* The one that was not asked for the longest, but not the first; false when there is none. */
bool images__drop_oldest(struct images *images);

/* Around a reading, whose thread may be left behind. Behind the end they may be gone. */
void images__begin_reading(struct images *images);
void images__end_reading(struct images *images);

/* Reads the map of the process anew. *ret_told is what the teller returned; the rows are known in
 * any case. -ECANCELED: the images are another thread's now, and known may be gone. */
int image__read(struct images *images, struct known_image *known, struct visitor *visitor,
		int *ret_told);

#endif
