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
#include "symbolize/beside.h"
#include "symbolize/file_table.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dict.h"

#define REFRESH_NS	     (NSEC_PER_SEC / 2)
#define FILES_OF_PROCESS_MAX (WIRE_FILES_MAX / 4 * 3)
#define ROWS_MAX	     (4 * WIRE_ROWS_MAX) /* of all images */

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
	uint64_t maps_read;
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
	struct arena *arena;
	struct image_row *rows;
	size_t n;
	struct beside beside;
	struct dict files; /* of struct mapped_file */
	size_t n_files;	   /* that have a number */
	int told;	   /* what went wrong when the child was told */
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
		fd = open__mapped(reading->pidfd, &reading->mounts, vma, name, &st);
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
	mounts__need(&reading->mounts, reading->pidfd);
	for (size_t i = 0; reading->n < n && i < reading->set->n; i++) {
		if (reading->set->vmas[i].perms[2] == 'x')
			add_row(reading, i);
	}
	return 0;
}

static size_t count_rows(const struct images *images)
{
	size_t n = 0;

	for (const struct known_image *known = images->first; known; known = known->next)
		n += known->public.n;
	return n;
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
	while (count_rows(reading->images) > ROWS_MAX && drop_oldest(reading->images))
		;
	return 0;
}

/* *ret_told is what the teller returned; the rows are known in any case. */
static int read_image(struct images *images, struct known_image *known, int *ret_told)
{
	_cleanup_close_ int pidfd = images__open_process(images, &known->public);
	struct reading reading = {.images = images, .pidfd = pidfd, .files.type = &mapped_files};
	struct vma_set set;
	int err;

	if (pidfd < 0)
		return pidfd == -ENOENT ? -ESRCH : pidfd;
	err = procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set);
	if (err)
		return err;
	reading.set = reading.beside.set = &set;
	err = add_rows(&reading);
	err = err ?: finish(&reading, known);
	if (err) {
		release_rows(images, reading.rows, reading.n);
		arena__free(reading.arena);
	}
	dict__free(&reading.files);
	mounts__free(&reading.mounts);
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

int images__get(struct images *images, pid_t tgid, uint64_t start_ticks, uint64_t since_ns,
		struct image **ret)
{
	struct known_image **place = find(images, tgid, start_ticks), *known;
	int err, told = 0;
	uint64_t began;

	if (*place)
		move_to_front(images, place);
	else if (!add(images, tgid, start_ticks))
		return -ENOMEM;
	known = images->first;
	if (known->public.told && known->public.read_ns >= since_ns) {
		*ret = &known->public;
		return 0;
	}
	began = clock__boot_ns();
	images->maps_read++;
	err = read_image(images, known, &told);
	/* Who has gone had the code that was there last. */
	if (err && !(err == -ESRCH && known->public.n)) {
		drop(images, &images->first);
		return err;
	}
	told = told ?: images->teller.rows(images->teller.ctx, &known->public);
	known->public.read_ns = began;
	known->public.told = !told;
	*ret = &known->public;
	return told ? -ECOMM : 0;
}

bool images__refresh(struct image *image, uint64_t taken_ns, uint64_t code_added_ns)
{
	if (image->read_ns > taken_ns)
		return false;
	if (code_added_ns < image->read_ns && clock__boot_ns() - image->read_ns < REFRESH_NS)
		return false;
	image->told = false;
	return true;
}

uint64_t images__maps_read(const struct images *images)
{
	return images->maps_read;
}

const struct image_row *image__row_at(const struct image *image, uint64_t pc)
{
	size_t lo = 0, hi = image->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (image->rows[mid].wire.end <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < image->n && image->rows[lo].wire.start <= pc ? &image->rows[lo] : NULL;
}

const char *images__name_of(const struct image *image, uint32_t file)
{
	for (size_t i = 0; i < image->n; i++) {
		if (file && image->rows[i].wire.file == file)
			return image->rows[i].name;
	}
	return NULL;
}
