// SPDX-License-Identifier: BSD-2-Clause
/* How often the map of a process is read, and what that costs: user/symbolize/images.h. The process
 * is this one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/crew.h"
#include "proc/procfs.h"
#include "symbolize/images_parts.h"
#include "util/clock.h"

#define SIZE 4096

struct fixture {
	struct images *images;
	uint64_t start_ticks;
	size_t files; /* that the child has been told */
	struct crew *crew;
	int pipe[2];	     /* what the thread that is in the process reads */
	atomic_bool invited; /* it may come */
	atomic_bool there;
	atomic_int got; /* by images__get(), and 1 until then */
};

#define UNTIL(condition)                                                                           \
	while (!(condition))                                                                       \
		usleep(1000);

static int tell_file(void *ctx, uint32_t number, int fd)
{
	struct fixture *f = ctx;

	f->files++;
	f->invited = true;
	UNTIL(!f->crew || f->there);
	return 0;
}

static int drop_file(void *ctx, uint32_t number)
{
	((struct fixture *)ctx)->files--;
	return 0;
}

static int drop_process(void *ctx, uint32_t number)
{
	return 0;
}

static int tell_rows(void *ctx, const struct image *image)
{
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct images_teller teller = {tell_file, drop_file, drop_process, tell_rows, f};
	int pidfd = procfs__open("/proc", getpid());
	struct proc_stat stat;

	f->images = images__new("/proc", &teller);
	if (!f->images || procfs__stat(pidfd, &stat))
		return -1;
	close(pidfd);
	f->start_ticks = stat.start_ticks;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	images__free(f->images);
	free(f);
	return 0;
}

static struct image *get(struct fixture *f, uint64_t since_ns)
{
	struct image *image;

	assert_int_equal(images__get(f->images, getpid(), f->start_ticks, since_ns, NULL, &image),
			 0);
	return image;
}

/* A map serves every stack that was taken before it was read, whatever was mapped in between. */
static void test_one_reading_for_all_that_wait(void **state)
{
	struct fixture *f = *state;
	struct image *image;
	uint64_t taken[3];

	for (size_t i = 0; i < 3; i++)
		taken[i] = clock__boot_ns();
	for (size_t i = 0; i < 3; i++) {
		image = get(f, taken[i]);
		assert_false(images__refresh(image, taken[i], taken[i]));
	}
	assert_int_equal(images__maps_read(f->images), 1);
	/* Taken later: read again if code was mapped since, and else not so soon. */
	image->cost_ns = NSEC_PER_SEC;
	taken[0] = clock__boot_ns();
	assert_false(images__refresh(image, taken[0], 0));
	image->cost_ns = 1;
	assert_true(images__refresh(image, taken[0], 0));
	image->told = true;
	assert_true(images__refresh(image, taken[0], taken[0]));
	image = get(f, 0);
	assert_int_equal(images__maps_read(f->images), 2);
	assert_false(images__refresh(image, taken[0], taken[0]));
	/* Code has gone, or there is another program. */
	get(f, clock__boot_ns());
	assert_int_equal(images__maps_read(f->images), 3);
}

static void get_it(struct visitor *visitor, void *arg)
{
	struct fixture *f = arg;
	struct image *image;

	if (f->got == 1)
		f->got = images__get(f->images, getpid(), f->start_ticks, 0, visitor, &image);
}

static void stay_there(struct visitor *visitor, void *arg)
{
	struct fixture *f = arg;
	char byte;

	UNTIL(f->invited);
	if (f->there) /* the one that takes its place */
		return;
	assert_int_equal(visitor__enter(visitor, getpid()), 0);
	f->there = true;
	assert_int_equal(read(f->pipe[0], &byte, 1), 1);
	visitor__leave(visitor);
}

static void replaced(struct visitor *visitor, void *arg)
{
}

/* A process that cannot be entered when the first of its files has been opened is read again later,
 * and has not lost the others. */
static void test_a_file_that_cannot_be_looked_at_for_now(void **state)
{
	static const struct crew_work gets = {.name = "gets", .run = get_it, .replaced = replaced};
	static const struct crew_work stays = {
		.name = "stays", .run = stay_there, .replaced = replaced};
	struct fixture *f = *state;
	struct crew *crew;

	assert_int_equal(pipe(f->pipe), 0);
	assert_int_equal(crew__new("/proc", 2, &crew), 0);
	f->crew = crew;
	f->got = 1;
	assert_int_equal(crew__start(crew, &stays, f), 0);
	assert_int_equal(crew__start(crew, &gets, f), 0);
	UNTIL(f->got != 1);
	assert_int_equal(f->got, -ETIMEDOUT);
	assert_int_equal(f->files, 0);
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	assert_int_equal(crew__stop(crew, 10 * NSEC_PER_SEC), 0);
	crew__free(crew);
	f->crew = NULL;
	get(f, 0);
	assert_true(f->files > 1);
	close(f->pipe[0]);
	close(f->pipe[1]);
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* With as much of an ELF file as is looked at. */
static int make_file(const char *name)
{
	static const char head[16] = "\177ELF";
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	return fd;
}

/* CPU time of the fastest of five readings with n more files mapped, each of which is executable
 * next to one that is in all of them. */
static double read_with(struct fixture *f, size_t n, size_t *ret_rows)
{
	int one = make_file("one");
	double best = 1e9;
	char *at = mmap(NULL, 2 * n * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	for (size_t i = 0; i < 2 * n; i++) {
		int fd = i % 2 ? one : make_file("other");

		assert_true(mmap(at + i * SIZE, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED,
				 fd, 0) != MAP_FAILED);
		if (fd != one)
			close(fd);
	}
	for (size_t i = 0; i < 5; i++) {
		double began = cpu(), took;

		*ret_rows = get(f, clock__boot_ns())->n;
		took = cpu() - began;
		best = took < best ? took : best;
	}
	munmap(at, 2 * n * SIZE);
	close(one);
	return best;
}

/* Each mapping is known, and costs what it does with half as many. */
static void test_many_mappings(void **state)
{
	struct fixture *f = *state;
	size_t few_rows, many_rows;
	double few = read_with(f, 4000, &few_rows), many = read_with(f, 8000, &many_rows);

	print_message("4,000 files: %.1f ms, 8,000: %.1f ms; %zu files told\n", few * 1e3,
		      many * 1e3, f->files);
	assert_int_equal(many_rows - few_rows, 8000);
	assert_true(many < 3 * few);
	/* And there is room for what other processes have mapped. */
	assert_in_range(f->files, WIRE_FILES_MAX / 2, WIRE_FILES_MAX * 4 / 5);
}

/* For a debug file of each module the mounts were read again. */
static void test_one_reading_of_the_mounts(void **state)
{
	struct fixture *f = *state;
	uint64_t began = clock__boot_ns();
	struct image *image = get(f, 0), other = {.number = image->number + 1};
	int pidfd = images__open_process(f->images, image), nowhere = open("/", O_PATH | O_CLOEXEC);
	const struct mounts *mounts;

	assert_true(pidfd >= 0 && nowhere >= 0);
	/* Those that came with the map: there is nothing here to read them from. */
	mounts = images__mounts(f->images, image, nowhere, began);
	assert_non_null(mounts);
	assert_true(mounts->n_points > 0);
	for (int i = 0; i < 100; i++)
		assert_ptr_equal(images__mounts(f->images, image, nowhere, began), mounts);
	/* A later question, and one about another process. */
	assert_null(images__mounts(f->images, image, nowhere, clock__boot_ns()));
	assert_non_null(images__mounts(f->images, image, pidfd, clock__boot_ns()));
	assert_null(images__mounts(f->images, &other, nowhere, began));
	close(pidfd);
	close(nowhere);
}

static pid_t start_then_exec(int *to, int *from, uint64_t *ret_start_ticks)
{
	int in[2], out[2], pidfd;
	struct proc_stat stat;
	char ready[6];
	pid_t pid;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("build/workloads/then_exec", "then_exec", "1", "0", "/bin/cat", NULL);
		_exit(1);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	assert_int_equal(read(*from, ready, sizeof(ready)), 6);
	pidfd = procfs__open("/proc", pid);
	assert_int_equal(procfs__stat(pidfd, &stat), 0);
	close(pidfd);
	*ret_start_ticks = stat.start_ticks;
	return pid;
}

static bool has_program(const struct image *image, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < image->n; i++)
		found |= image->rows[i].name && strstr(image->rows[i].name, name);
	return found;
}

/* The process is the same; what it is asked for on behalf of the old program's image is refused,
 * and the old program's map does not stand in for the new one's. */
static void test_an_exec_makes_another_image(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ticks, before = clock__boot_ns();
	struct image *image;
	int to, from, fd;
	pid_t pid = start_then_exec(&to, &from, &start_ticks);

	assert_int_equal(images__get(f->images, pid, start_ticks, 0, NULL, &image), 0);
	assert_true(image->read_ns > before && has_program(image, "/then_exec"));
	fd = images__open_process(f->images, image);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(write(to, "0\n", 2), 2);
	while ((fd = images__open_process(f->images, image)) >= 0) {
		close(fd);
		usleep(1000);
	}
	assert_int_equal(fd, -ESRCH);
	/* The kernel is not done mapping it when the old one has gone. */
	do
		assert_int_equal(
			images__get(f->images, pid, start_ticks, clock__boot_ns(), NULL, &image),
			0);
	while (!has_program(image, "/cat"));
	assert_false(has_program(image, "/then_exec"));
	fd = images__open_process(f->images, image);
	assert_true(fd >= 0);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* A map from before that is no answer for one who needs a newer one. */
	assert_int_equal(images__get(f->images, pid, start_ticks, clock__boot_ns(), NULL, &image),
			 -ESRCH);
	close(to);
	close(from);
}

/* Only ELF files are handed over. */
static void test_files_of_other_kinds(void **state)
{
	struct fixture *f = *state;
	size_t before, told;
	int fd = memfd_create("data", MFD_CLOEXEC);
	void *at;

	get(f, clock__boot_ns());
	before = f->files;
	assert_int_equal(write(fd, "#!/bin/sh -- secret", 19), 19);
	at = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(at != MAP_FAILED);
	get(f, clock__boot_ns());
	told = f->files;
	munmap(at, SIZE);
	close(fd);
	assert_int_equal(told, before);
	fd = make_file("code");
	at = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	get(f, clock__boot_ns());
	assert_int_equal(f->files, before + 1);
	munmap(at, SIZE);
	close(fd);
}

/* A reader that is stuck in a process has the images yet when their child's cell ends. */
static void test_the_last_reader_frees(void **state)
{
	struct fixture *f = *state;

	get(f, 0);
	images__begin_reading(f->images);
	images__begin_reading(f->images);
	images__free(f->images);
	assert_int_equal(f->files, 0);
	images__end_reading(f->images);
	assert_true(f->images->closed && f->images->readers == 1);
	images__end_reading(f->images);
	f->images = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_that_cannot_be_looked_at_for_now),
		TEST(test_one_reading_for_all_that_wait),
		TEST(test_many_mappings),
		TEST(test_one_reading_of_the_mounts),
		TEST(test_an_exec_makes_another_image),

		TEST(test_files_of_other_kinds),
		TEST(test_the_last_reader_frees),
	};

	return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
