// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc/open.h"
#include "proc/procfs.h"
#include "symbolize/file_table.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define REFRESH_NS (NSEC_PER_SEC / 2)

struct known_image {
	struct image public;
	struct known_image *next;
	struct arena *arena; /* rows and names */
};

struct images {
	const char *proc;
	struct images_teller teller;
	struct file_table *files;
	struct known_image *first; /* the last one asked for */
	uint32_t last_number;
	size_t vdso_size; /* of our own; 0: not known */
};

static size_t our_vdso_size(void)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", getpid());
	struct vma_set maps = {0};
	size_t size = 0;

	if (pidfd < 0 || procfs__vmas(pidfd, SMAPS_MAPS, NULL, &maps))
		return 0;
	for (size_t i = 0; i < maps.n; i++) {
		if (maps.vmas[i].start == getauxval(AT_SYSINFO_EHDR))
			size = maps.vmas[i].end - maps.vmas[i].start;
	}
	vma_set__free(&maps);
	return size;
}

struct images *images__new(const char *proc, const struct images_teller *teller)
{
	struct images *images = calloc(1, sizeof(*images));

	if (!images)
		return NULL;
	images->proc = proc;
	images->teller = *teller;
	images->vdso_size = our_vdso_size();
	images->files = file_table__new();
	if (!images->files) {
		free(images);
		return NULL;
	}
	return images;
}

/* --- letting go ---------------------------------------------------------------------------- */

/* A child that cannot be told any more will be replaced, and told what is left. */
static void release_file(struct images *images, uint32_t number)
{
	if (number && file_table__release(images->files, number))
		images->teller.drop_file(images->teller.ctx, number);
}

static void release_rows(struct images *images, const struct image_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		release_file(images, rows[i].wire.file);
}

static void drop(struct images *images, struct known_image **place)
{
	struct known_image *known = *place;

	*place = known->next;
	images->teller.drop_process(images->teller.ctx, known->public.number);
	release_rows(images, known->public.rows, known->public.n);
	arena__free(known->arena);
	free(known);
}

void images__free(struct images *images)
{
	if (!images)
		return;
	while (images->first)
		drop(images, &images->first);
	file_table__free(images->files);
	free(images);
}

/* The one that was not asked for the longest, but not the first. */
static bool drop_oldest(struct images *images)
{
	struct known_image **place = &images->first;

	if (!*place || !(*place)->next)
		return false;
	while ((*place)->next)
		place = &(*place)->next;
	drop(images, place);
	return true;
}

static struct known_image **find(struct images *images, pid_t tgid, uint64_t start_ticks)
{
	struct known_image **place = &images->first;

	while (*place &&
	       ((*place)->public.tgid != tgid || (*place)->public.start_ticks != start_ticks))
		place = &(*place)->next;
	return place;
}

void images__forget(struct images *images, pid_t tgid, uint64_t start_ticks)
{
	struct known_image **place = find(images, tgid, start_ticks);

	if (*place)
		drop(images, place);
}

void images__untell(struct images *images)
{
	for (struct known_image *known = images->first; known; known = known->next) {
		known->public.told = false;
		/* Nobody has them any more, so there is nobody to tell. */
		for (size_t i = 0; i < known->public.n; i++) {
			uint32_t *file = &known->public.rows[i].wire.file;

			if (*file)
				file_table__release(images->files, *file);
			*file = 0;
		}
	}
}

void images__blame(struct images *images, uint32_t file)
{
	file_table__blame(images->files, file);
}

/* --- reading ------------------------------------------------------------------------------- */

struct reading {
	struct images *images;
	int pidfd;
	const struct vma_set *set;
	struct buf mounts;
	struct arena *arena;
	struct image_row *rows;
	const struct vma **vmas; /* of the rows */
	size_t n;
	int told; /* what went wrong when the child was told */
};

/* The number of a file, which the child has been told; 0: none. Takes no possession of fd. */
static uint32_t number_file(struct reading *reading, const struct file_identity *identity, int fd)
{
	struct images *images = reading->images;
	uint32_t number;
	bool is_new = false;

	number = file_table__take(images->files, identity, &is_new);
	while (!number && file_table__is_full(images->files) && drop_oldest(images))
		number = file_table__take(images->files, identity, &is_new);
	if (!number || !is_new)
		return number;
	reading->told = images->teller.file(images->teller.ctx, number, fd);
	if (!reading->told)
		return number;
	file_table__release(images->files, number);
	return 0;
}

/* The kernel's code in the process, as bytes that nobody can change. It is the kernel's, so it is
 * the one that we have, too: reading it in the process would make a page of it resident there. A
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

static bool same_file(const struct vma *a, const struct vma *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
	       a->kind == b->kind;
}

/* Another mapping of the same file has its number already. */
static uint32_t number_of_same(const struct reading *reading, const struct vma *vma)
{
	for (size_t i = reading->n; i-- > 0;) {
		if (reading->rows[i].wire.file && same_file(reading->vmas[i], vma) &&
		    reading->vmas[i]->name == vma->name)
			return reading->rows[i].wire.file;
	}
	return 0;
}

static uint32_t find_file(struct reading *reading, const struct vma *vma, const char *name)
{
	uint32_t number = number_of_same(reading, vma);
	_cleanup_close_ int fd = -1;
	struct file_identity identity;
	struct stat st;

	if (number) {
		file_table__take_again(reading->images->files, number);
		return number;
	}
	/* A child that cannot be told of files has no use for them. */
	if (reading->told)
		return 0;
	if (vma->kind == VMA_KERNEL && !strcmp(name, "[vdso]")) {
		fd = copy_vdso(reading->images, vma, &identity);
	} else if (vma->kind == VMA_FILE || vma->kind == VMA_MEMFD || vma->kind == VMA_DEV_SHM) {
		fd = open__mapped(reading->pidfd, &reading->mounts, vma, name, &st);
		if (fd >= 0)
			identity = file_identity__of(&st);
	}
	return fd < 0 ? 0 : number_file(reading, &identity, fd);
}

/* As a user would write it. */
static const char *name_of(struct reading *reading, const struct vma *vma, const char *name)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(name);
	char *copy;

	if (vma->kind == VMA_ANON || vma->kind == VMA_ANON_NAMED || vma->kind == VMA_SHMEM_NAMED ||
	    vma->kind == VMA_HEAP || vma->kind == VMA_STACK || vma->kind == VMA_DEV_ZERO ||
	    vma->kind == VMA_SHARED_ANON || vma->kind == VMA_HUGETLB)
		return NULL;
	copy = arena__strdup(reading->arena, name);
	if (copy && len > sizeof(deleted) && !strcmp(name + len + 1 - sizeof(deleted), deleted))
		copy[len + 1 - sizeof(deleted)] = '\0';
	return copy;
}

static void add_row(struct reading *reading, const struct vma *vma)
{
	const char *name = vma_set__name(reading->set, vma);
	struct image_row *row = &reading->rows[reading->n];
	uint32_t file = find_file(reading, vma, name);

	reading->vmas[reading->n++] = vma;
	*row = (struct image_row){
		.wire = {.start = vma->start, .end = vma->end, .offset = vma->offset, .file = file},
		.name = name_of(reading, vma, name),
	};
	row->wire.named = !!row->name;
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
	reading->vmas = arena__alloc(reading->arena, n * sizeof(struct vma *) + 1);
	if (!reading->rows || !reading->vmas)
		return -ENOMEM;
	/* Without the mounts no file is known to be safe to open. */
	open__read_mounts(reading->pidfd, &reading->mounts);
	for (size_t i = 0; reading->n < n && i < reading->set->n; i++) {
		if (reading->set->vmas[i].perms[2] == 'x')
			add_row(reading, &reading->set->vmas[i]);
	}
	return 0;
}

static int finish(struct reading *reading, struct known_image *known)
{
	const char **names;

	names = arena__alloc(reading->arena, reading->n * sizeof(*names) + 1);
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < reading->n; i++)
		names[i] = reading->rows[i].name;
	release_rows(reading->images, known->public.rows, known->public.n);
	arena__free(known->arena);
	known->arena = take_ptr(reading->arena);
	known->public.rows = reading->rows;
	known->public.n = reading->n;
	known->public.names = names;
	return 0;
}

/* *ret_told is what the teller returned; the rows are known in any case. */
static int read_image(struct images *images, struct known_image *known, int *ret_told)
{
	_cleanup_close_ int pidfd = images__open_process(images, &known->public);
	struct reading reading = {.images = images, .pidfd = pidfd};
	struct vma_set set;
	int err;

	if (pidfd < 0)
		return pidfd == -ENOENT ? -ESRCH : pidfd;
	err = procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set);
	if (err)
		return err;
	reading.set = &set;
	err = add_rows(&reading);
	err = err ?: finish(&reading, known);
	if (err) {
		release_rows(images, reading.rows, reading.n);
		arena__free(reading.arena);
	}
	buf__free(&reading.mounts);
	vma_set__free(&set);
	*ret_told = reading.told;
	return err;
}

int images__open_process(const struct images *images, const struct image *image)
{
	_cleanup_close_ int pidfd = procfs__open(images->proc, image->tgid);
	struct proc_stat stat;
	int err;

	if (pidfd < 0)
		return pidfd;
	err = procfs__stat(pidfd, &stat);
	if (err)
		return err;
	return stat.start_ticks == image->start_ticks ? take_fd(pidfd) : -ESRCH;
}

/* --- asking -------------------------------------------------------------------------------- */

static struct known_image *add(struct images *images, pid_t tgid, uint64_t start_ticks)
{
	struct known_image *known = calloc(1, sizeof(*known));
	size_t n = 1;

	if (!known)
		return NULL;
	known->public.number = ++images->last_number;
	known->public.tgid = tgid;
	known->public.start_ticks = start_ticks;
	known->next = images->first;
	images->first = known;
	for (struct known_image *other = known->next; other; other = other->next)
		n++;
	if (n > IMAGES_MAX)
		drop_oldest(images);
	return known;
}

static void move_to_front(struct images *images, struct known_image **place)
{
	struct known_image *known = *place;

	*place = known->next;
	known->next = images->first;
	images->first = known;
}

int images__get(struct images *images, pid_t tgid, uint64_t start_ticks, uint64_t image,
		struct image **ret)
{
	struct known_image **place = find(images, tgid, start_ticks), *known;
	int err, told = 0;

	if (*place)
		move_to_front(images, place);
	else if (!add(images, tgid, start_ticks))
		return -ENOMEM;
	known = images->first;
	if (known->public.told && known->public.image == image) {
		*ret = &known->public;
		return 0;
	}
	err = read_image(images, known, &told);
	/* Who has gone had the code that was there last. */
	if (err && !(err == -ESRCH && known->public.n)) {
		drop(images, &images->first);
		return err;
	}
	told = told ?: images->teller.rows(images->teller.ctx, &known->public);
	known->public.image = image;
	known->public.read_ns = clock__boot_ns();
	known->public.told = !told;
	*ret = &known->public;
	return told ? -ECOMM : 0;
}

bool images__refresh(struct image *image)
{
	if (clock__boot_ns() - image->read_ns < REFRESH_NS)
		return false;
	image->told = false;
	return true;
}

const char *images__name_of(const struct image *image, uint32_t file)
{
	for (size_t i = 0; i < image->n; i++) {
		if (file && image->rows[i].wire.file == file)
			return image->rows[i].name;
	}
	return NULL;
}
