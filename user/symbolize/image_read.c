// SPDX-License-Identifier: BSD-2-Clause
/* Reading what code a process has: images_parts.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc/crew.h"
#include "proc/open.h"
#include "proc/procfs.h"
#include "proc/program.h"
#include "proc/vmas.h"
#include "symbolize/beside.h"
#include "symbolize/images_parts.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dict.h"

/* A file that the process has mapped, as often as it may be. */
struct mapped_file {
	const struct vma *vma; /* the first of its mappings */
	const char *text;      /* as the kernel names it */
	uint32_t number;       /* 0: none */
	const char *name;
};

static uint64_t hash_file(const void *entry, uint64_t secret)
{
	const struct vma *vma = ((const struct mapped_file *)entry)->vma;
	uint64_t hash = dict__mix(secret, vma->inode);

	hash = dict__mix(hash, (uint64_t)vma->major << 32 | vma->minor);
	return dict__mix(hash, vma->kind);
}

static bool same_file(const void *x, const void *y)
{
	const struct mapped_file *f = x, *g = y;
	const struct vma *a = f->vma, *b = g->vma;

	return a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
	       a->kind == b->kind && !strcmp(f->text, g->text);
}

static const struct dict_type mapped_files = {sizeof(struct mapped_file), hash_file, same_file};

struct reading {
	struct images *images;
	int pidfd;
	const struct vma_set *set;
	struct mounts mounts;
	uint64_t mounts_ns; /* before they were read */
	struct arena *arena;
	struct image_row *rows;
	size_t n;
	struct beside beside;
	struct dict files; /* of struct mapped_file */
	size_t n_files;	   /* that have a number */
	int told;	   /* what went wrong when the child was told */
	struct visitor *visitor;
	pid_t tgid;
	uint64_t program;
	int refused;	  /* why a file could not be looked at for now */
	bool left_behind; /* another thread has the images now */
};

/* Around what may wait for the process's mmap_lock. Behind end_visit() nothing of the images may be
 * touched if it was left behind meanwhile. */
static int begin_visit(const struct reading *reading)
{
	return visitor__enter(reading->visitor, reading->tgid);
}

static void end_visit(struct reading *reading)
{
	visitor__leave(reading->visitor);
	reading->left_behind = reading->visitor && reading->visitor->stop;
}

/* The number of a file, which the child has been told; 0: none. Takes no possession of fd. */
static uint32_t number_file(struct reading *reading, const struct file_identity *identity, int fd)
{
	struct images *images = reading->images;
	struct build_id id;
	uint32_t number;
	bool is_new = false;

	number = file_table__take(images->files, identity, &is_new);
	while (!number && file_table__is_full(images->files) && images__drop_oldest(images))
		number = file_table__take(images->files, identity, &is_new);
	if (!number || !is_new)
		return number;
	/* What is no ELF file is none of the child's business. */
	if (build_id__read(fd, &id) == -EBADMSG) {
		file_table__release(images->files, number);
		return 0;
	}
	file_table__set_build_id(images->files, number, &id);
	reading->told = images->teller.file(images->teller.ctx, number, fd);
	if (!reading->told)
		return number;
	file_table__release(images->files, number);
	return 0;
}

/* The kernel's code in the process, as bytes that no process can change. It is the kernel's, so it
 * is the one that we have, too: reading it in the process would make a page of it resident there. A
 * 32-bit program has another one, of another size. */
static int copy_vdso(const struct images *images, const struct vma *vma, struct file_identity *ret)
{
	const uint8_t *ours = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	size_t size = vma->end - vma->start;
	_cleanup_close_ int fd = -1;

	if (!ours || size != images->vdso_size)
		return -ENOENT;
	fd = memfd_create("vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (write(fd, ours, size) != (ssize_t)size ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -EIO;
	/* No device has this number. */
	*ret = (struct file_identity){.dev = UINT64_MAX, .size = size};
	return take_fd(fd);
}

static uint32_t open_file(struct reading *reading, const struct vma *vma, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct file_identity identity;
	struct stat st;

	/* A child that cannot be told of files has no use for them; and one process does not push
	 * out those of all others. */
	if (reading->told || reading->n_files >= FILES_OF_PROCESS_MAX)
		return 0;
	if (vma->kind == VMA_KERNEL && !strcmp(name, "[vdso]")) {
		fd = copy_vdso(reading->images, vma, &identity);
	} else if (vma->kind == VMA_FILE || vma->kind == VMA_MEMFD || vma->kind == VMA_DEV_SHM) {
		/* Without the file, the answer would be a poor one for as long as it is known. */
		reading->refused = begin_visit(reading);
		if (reading->refused)
			return 0;
		fd = open__mapped(reading->pidfd, &reading->mounts, vma, name, &st);
		end_visit(reading);
		if (reading->left_behind)
			return 0;
		if (fd >= 0)
			identity = file_identity__of(&st);
	}
	return fd < 0 ? 0 : number_file(reading, &identity, fd);
}

/* As a user would write it. */
static const char *name_of(struct reading *reading, const char *name)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(name);
	char *copy = arena__strdup(reading->arena, name);

	if (copy && len > sizeof(deleted) && !strcmp(name + len + 1 - sizeof(deleted), deleted))
		copy[len + 1 - sizeof(deleted)] = '\0';
	return copy;
}

/* Of a mapping that has a name. */
static struct mapped_file find_file(struct reading *reading, const struct vma *vma)
{
	struct mapped_file file = {.vma = vma, .text = vma_set__name(reading->set, vma)};
	const struct mapped_file *known = dict__find(&reading->files, &file);

	if (known) {
		if (known->number)
			file_table__take_again(reading->images->files, known->number);
		return *known;
	}
	file.number = open_file(reading, vma, file.text);
	file.name = name_of(reading, file.text);
	reading->n_files += !!file.number;
	dict__add(&reading->files, &file);
	return file;
}

static bool is_anonymous(const struct vma *vma)
{
	return vma->kind == VMA_ANON || vma->kind == VMA_ANON_NAMED ||
	       vma->kind == VMA_SHMEM_NAMED || vma->kind == VMA_HEAP || vma->kind == VMA_STACK ||
	       vma->kind == VMA_DEV_ZERO || vma->kind == VMA_SHARED_ANON ||
	       vma->kind == VMA_HUGETLB;
}

static void add_row(struct reading *reading, size_t index)
{
	const struct vma *vma = &reading->set->vmas[index], *beside = NULL;
	struct mapped_file file = {};

	if (is_anonymous(vma))
		beside = beside__find(&reading->beside, index);
	if (!is_anonymous(vma) || beside)
		file = find_file(reading, beside ?: vma);
	reading->rows[reading->n++] = (struct image_row){
		.wire = {.start = vma->start,
			 .end = vma->end,
			 .offset = beside ? beside->offset : vma->offset,
			 .file = file.number,
			 .named = !beside && file.name,
			 .beside = beside ? beside->start : 0},
		.name = file.name,
	};
}

static int add_rows(struct reading *reading)
{
	size_t n = 0;

	for (size_t i = 0; i < reading->set->n; i++)
		n += reading->set->vmas[i].perms[2] == 'x';
	if (n > WIRE_ROWS_MAX)
		n = WIRE_ROWS_MAX;
	reading->arena = arena__new();
	if (!reading->arena)
		return -ENOMEM;
	reading->rows = arena__alloc(reading->arena, n * sizeof(*reading->rows) + 1);
	if (!reading->rows)
		return -ENOMEM;
	/* Without the mounts no file is known to be safe to open. */
	reading->mounts_ns = clock__boot_ns();
	mounts__need(&reading->mounts, reading->pidfd);
	for (size_t i = 0; reading->n < n && i < reading->set->n; i++) {
		if (reading->set->vmas[i].perms[2] == 'x')
			add_row(reading, i);
		if (reading->left_behind || reading->refused)
			break;
	}
	return reading->left_behind ? -ECANCELED : reading->refused;
}

static int finish(struct reading *reading, struct known_image *known)
{
	const char **names;

	names = arena__alloc(reading->arena, reading->n * sizeof(*names) + 1);
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < reading->n; i++)
		names[i] = reading->rows[i].name;
	images__release_rows(reading->images, known->public.rows, known->public.n);
	arena__free(known->arena);
	known->arena = take_ptr(reading->arena);
	known->public.program = reading->program;
	known->public.rows = reading->rows;
	known->public.n = reading->n;
	mounts__free(&reading->images->mounts);
	reading->images->mounts = reading->mounts;
	reading->images->mounts_of = known->public.number;
	reading->images->mounts_ns = reading->mounts_ns;
	reading->mounts = (struct mounts){};
	known->public.names = names;
	return 0;
}

/* The thread that has the images now lets go of the files. Without memory they stay numbered; if
 * the images have been closed, nothing is. */
static void leave_behind(struct reading *reading)
{
	struct images *images = reading->images;
	struct orphan *orphan = malloc(sizeof(*orphan));
	bool taken = false;

	pthread_mutex_lock(&images->lock);
	if (orphan && !images->closed) {
		*orphan =
			(struct orphan){images->orphans, reading->arena, reading->rows, reading->n};
		images->orphans = take_ptr(orphan);
		taken = true;
	}
	pthread_mutex_unlock(&images->lock);
	free(orphan);
	if (!taken)
		return;
	reading->arena = NULL;
	reading->rows = NULL;
	reading->n = 0;
}

static int read_maps(struct reading *reading, struct program *program, struct vma_set *set)
{
	int err = begin_visit(reading);

	if (err)
		return err;
	err = program__open(reading->pidfd, program);
	err = err ?: procfs__vmas(reading->pidfd, SMAPS_MAPS, NULL, set);
	end_visit(reading);
	reading->program = program->id;
	if (!err && reading->left_behind)
		vma_set__free(set);
	return reading->left_behind ? -ECANCELED : err;
}

/* The map of the program that the process runs all the time that it is read. */
static int read_rows(struct reading *reading, struct vma_set *set)
{
	struct program program = {.pagemap = -1};
	int err = read_maps(reading, &program, set);

	if (!err) {
		reading->set = reading->beside.set = set;
		err = add_rows(reading);
		if (!err && !program__runs(&program, reading->pidfd))
			err = -ESRCH;
		dict__free(&reading->files);
		vma_set__free(set);
	}
	program__close(&program);
	return err;
}

int image__read(struct images *images, struct known_image *known, struct visitor *visitor,
		int *ret_told)
{
	struct image of = {.tgid = known->public.tgid, .start_ticks = known->public.start_ticks};
	_cleanup_close_ int pidfd = images__open_process(images, &of);
	struct reading reading = {.images = images,
				  .pidfd = pidfd,
				  .files.type = &mapped_files,
				  .visitor = visitor,
				  .tgid = known->public.tgid};
	struct vma_set set;
	int err;

	if (pidfd < 0)
		return pidfd == -ENOENT ? -ESRCH : pidfd;
	images__begin_reading(images);
	err = read_rows(&reading, &set);
	err = err ?: finish(&reading, known);
	if (reading.left_behind)
		leave_behind(&reading);
	else if (err)
		images__release_rows(images, reading.rows, reading.n);
	if (err)
		arena__free(reading.arena);
	mounts__free(&reading.mounts);
	images__end_reading(images);
	*ret_told = reading.told;
	return err;
}
