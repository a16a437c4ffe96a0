// SPDX-License-Identifier: BSD-2-Clause
/* How often the map of a process is read, and what that costs: user/symbolize/images.h. The process
 * is this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/procfs.h"
#include "symbolize/images.h"
#include "util/clock.h"

#define SIZE 4096

struct fixture {
	struct images *images;
	uint64_t start_ticks;
	size_t files; /* that the child has been told */
};

static int tell_file(void *ctx, uint32_t number, int fd)
{
	((struct fixture *)ctx)->files++;
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

	assert_int_equal(images__get(f->images, getpid(), f->start_ticks, since_ns, &image), 0);
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
	taken[0] = clock__boot_ns();
	assert_false(images__refresh(image, taken[0], 0));
	assert_true(images__refresh(image, taken[0], taken[0]));
	image = get(f, 0);
	assert_int_equal(images__maps_read(f->images), 2);
	assert_false(images__refresh(image, taken[0], taken[0]));
	/* Code has gone, or there is another program. */
	get(f, clock__boot_ns());
	assert_int_equal(images__maps_read(f->images), 3);
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* CPU time of the fastest of five readings with n more files mapped, each of which is executable
 * next to one that is in all of them. */
static double read_with(struct fixture *f, size_t n, size_t *ret_rows)
{
	int one = memfd_create("one", MFD_CLOEXEC);
	double best = 1e9;
	char *at = mmap(NULL, 2 * n * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	for (size_t i = 0; i < 2 * n; i++) {
		int fd = i % 2 ? one : memfd_create("other", MFD_CLOEXEC);

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_one_reading_for_all_that_wait),
		TEST(test_many_mappings),
	};

	return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
