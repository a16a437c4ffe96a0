// SPDX-License-Identifier: BSD-2-Clause
#include "proc/vmas.h"
#include "symbolize/images_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "proc/program.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* A map is read again when so many times as long has passed as that took, or so long. */
#define REFRESH_PART 10
#define REFRESH_NS   (NSEC_PER_SEC / 2)

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
	pthread_mutex_init(&images->lock, NULL);
	images->files = file_table__new();
	if (!images->files) {
		pthread_mutex_destroy(&images->lock);
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

void images__release_rows(struct images *images, const struct image_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		release_file(images, rows[i].wire.file);
}

static void drop(struct images *images, struct known_image **place)
{
	struct known_image *known = *place;

	*place = known->next;
	images->teller.drop_process(images->teller.ctx, known->public.number);
	images__release_rows(images, known->public.rows, known->public.n);
	arena__free(known->arena);
	free(known);
}

static void adopt_orphans(struct images *images)
{
	struct orphan *orphan, *next;

	pthread_mutex_lock(&images->lock);
	orphan = images->orphans;
	images->orphans = NULL;
	pthread_mutex_unlock(&images->lock);
	for (; orphan; orphan = next) {
		next = orphan->next;
		images__release_rows(images, orphan->rows, orphan->n);
		arena__free(orphan->arena);
		free(orphan);
	}
}

void images__begin_reading(struct images *images)
{
	pthread_mutex_lock(&images->lock);
	images->readers++;
	pthread_mutex_unlock(&images->lock);
}

static void free_closed(struct images *images)
{
	pthread_mutex_destroy(&images->lock);
	free(images);
}

void images__end_reading(struct images *images)
{
	bool last;

	pthread_mutex_lock(&images->lock);
	last = !--images->readers && images->closed;
	pthread_mutex_unlock(&images->lock);
	if (last)
		free_closed(images);
}

/* A reader that is stuck in a process still has them, and lets them go when it comes back. */
void images__free(struct images *images)
{
	bool last;

	if (!images)
		return;
	adopt_orphans(images);
	while (images->first)
		drop(images, &images->first);
	file_table__free(images->files);
	mounts__free(&images->mounts);
	pthread_mutex_lock(&images->lock);
	images->closed = true;
	last = !images->readers;
	pthread_mutex_unlock(&images->lock);
	if (last)
		free_closed(images);
}

bool images__drop_oldest(struct images *images)
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

bool images__is_empty(const struct images *images)
{
	return !images->first;
}

void images__untell(struct images *images)
{
	adopt_orphans(images);
	for (struct known_image *known = images->first; known; known = known->next) {
		known->public.told = false;
		/* No child has them any more, so there is none to tell. */
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

/* Any, as long as none has been read. */
static bool is_program(int pidfd, uint64_t id)
{
	struct program program;
	int err;

	if (!id)
		return true;
	err = program__open(pidfd, &program);
	program__close(&program);
	return !err && program.id == id;
}

int images__open_process(const struct images *images, const struct image *image)
{
	_cleanup_close_ int pidfd =
		procfs__open_begun(images->proc, image->tgid, image->start_ticks);

	if (pidfd >= 0 && !is_program(pidfd, image->program))
		return -ESRCH;
	return take_fd(pidfd);
}

const struct mounts *images__mounts(struct images *images, const struct image *image, int pidfd,
				    uint64_t since_ns)
{
	if (images->mounts_of != image->number || images->mounts_ns < since_ns) {
		mounts__free(&images->mounts);
		images->mounts_of = image->number;
		images->mounts_ns = clock__boot_ns();
	}
	return mounts__need(&images->mounts, pidfd) ? NULL : &images->mounts;
}

/* --- asking -------------------------------------------------------------------------------- */

static size_t count_rows(const struct images *images)
{
	size_t n = 0;

	for (const struct known_image *known = images->first; known; known = known->next)
		n += known->public.n;
	return n;
}

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
		images__drop_oldest(images);
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
		struct visitor *visitor, struct image **ret)
{
	struct known_image **place = find(images, tgid, start_ticks), *known;
	int err, told = 0;
	uint64_t began, cpu;

	adopt_orphans(images);
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
	cpu = clock__thread_cpu_ns();
	images->maps_read++;
	err = image__read(images, known, visitor, &told);
	if (err == -ECANCELED)
		return err;
	/* A process that has gone had the code that was there last, if that map is new enough. */
	if (err && !(err == -ESRCH && known->public.n && known->public.read_ns >= since_ns)) {
		drop(images, &images->first);
		return err;
	}
	if (!err) {
		known->public.read_ns = began;
		known->public.end_ns = clock__boot_ns();
	}
	while (count_rows(images) > ROWS_MAX && images__drop_oldest(images))
		;
	told = told ?: images->teller.rows(images->teller.ctx, &known->public);
	known->public.told = !told;
	known->public.cost_ns = clock__thread_cpu_ns() - cpu;
	*ret = &known->public;
	return told ? -ECOMM : 0;
}

bool images__refresh(struct image *image, uint64_t taken_ns, uint64_t code_added_ns)
{
	uint64_t pause = image->cost_ns * REFRESH_PART;

	if (image->read_ns > taken_ns)
		return false;
	if (pause > REFRESH_NS)
		pause = REFRESH_NS;
	if (code_added_ns < image->read_ns && clock__boot_ns() - image->read_ns < pause)
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

const char *images__name_of(const struct images *images, const struct image *image, uint32_t file,
			    struct build_id *ret_id)
{
	for (size_t i = 0; file && i < image->n; i++) {
		if (image->rows[i].wire.file != file)
			continue;
		*ret_id = *file_table__build_id(images->files, file);
		return image->rows[i].name;
	}
	return NULL;
}

void images__set_python(struct images *images, uint32_t file, const struct mp_python_file *python)
{
	file_table__set_python(images->files, file, python);
}

const struct mp_python_file *images__python(const struct images *images, uint32_t file)
{
	return file_table__python(images->files, file);
}

const struct image *images__known(struct images *images, pid_t tgid, uint64_t start_ticks)
{
	struct known_image **place = find(images, tgid, start_ticks);

	return *place ? &(*place)->public : NULL;
}
