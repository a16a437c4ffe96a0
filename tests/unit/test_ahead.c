// SPDX-License-Identifier: BSD-2-Clause
/* Reading ahead gives what reading does, and lets go of the text however it ends. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/ahead.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define TEXT_SIZE (3 << 20 | 123)
#define PAGE	  4096
#define VMAS	  5000

static int set_up(void **state)
{
	*state = ahead__new();
	return !*state;
}

static int tear_down(void **state)
{
	ahead__free(*state);
	return 0;
}

static void fill_text(char *text)
{
	uint32_t x = 1;

	for (size_t i = 0; i < TEXT_SIZE; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = x >> 24;
	}
}

static int write_text(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, TEXT_SIZE), TEXT_SIZE);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int keep(void *ctx, const char *text, size_t len)
{
	buf__add(ctx, text, len);
	return 0;
}

static void assert_reads(struct ahead *ahead, int fd, const char *text)
{
	_cleanup_buf_ struct buf got = {};

	assert_int_equal(ahead__read(ahead, fd, NULL, keep, &got), 0);
	assert_int_equal(got.len, TEXT_SIZE);
	assert_memory_equal(got.data, text, TEXT_SIZE);
}

static void the_same_bytes(void **state)
{
	_cleanup_free_ char *text = malloc(TEXT_SIZE);
	_cleanup_close_ int fd = -1;

	fill_text(text);
	fd = write_text(text);
	assert_reads(*state, fd, text);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_reads(*state, fd, text);
}

/* Whose text comes in small pieces, and later than it is asked for. */
static void a_slow_one(void **state)
{
	_cleanup_free_ char *text = malloc(TEXT_SIZE);
	int ends[2];
	pid_t pid;

	fill_text(text);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		for (size_t at = 0, n; at < TEXT_SIZE; at += n) {
			n = TEXT_SIZE - at < 30011 ? TEXT_SIZE - at : 30011;
			if (write(ends[1], text + at, n) != (ssize_t)n)
				_exit(1);
			if (at % 7 == 0)
				usleep(1000);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_reads(*state, ends[0], text);
	close(ends[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

struct user {
	struct ahead *ahead;
	int fd;
	int pieces; /* until it has had enough */
	int within; /* what reading within reading gave */
};

static int have_enough(void *ctx, const char *text, size_t len)
{
	struct user *user = ctx;

	user->within = ahead__read(user->ahead, user->fd, NULL, have_enough, user);
	return --user->pieces ? 0 : -EBADMSG;
}

static void however_it_ends(void **state)
{
	_cleanup_free_ char *text = malloc(TEXT_SIZE);
	_cleanup_close_ int fd = -1, dir = open("/", O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct buf got = {};
	struct user user = {.ahead = *state, .pieces = 3};
	atomic_bool stop = true;

	fill_text(text);
	fd = user.fd = write_text(text);
	assert_int_equal(ahead__read(*state, fd, NULL, have_enough, &user), -EBADMSG);
	assert_int_equal(user.within, -EBUSY);
	assert_int_equal(ahead__read(*state, fd, &stop, keep, &got), -ECANCELED);
	assert_int_equal(ahead__read(*state, dir, NULL, keep, &got), -EISDIR);
	assert_int_equal(got.len, 0);
	/* and then it is free for others, whose text is read from its beginning */
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_reads(*state, fd, text);
}

/* A process of so many VMAs, which waits. */
static pid_t fork_large(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		char *p =
			mmap(NULL, 2L * VMAS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int i = 0; i < VMAS; i++) {
			mprotect(p + 2L * i * PAGE, PAGE, PROT_READ | PROT_WRITE);
			p[2L * i * PAGE] = 1;
		}
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

struct other {
	struct ahead *ahead;
	int pidfd;
	struct vma_set set;
	int err;
};

static int read_another(void *ctx, const char *text, size_t len)
{
	struct other *other = ctx;

	other->err = procfs__smaps_ahead(other->pidfd, other->ahead, NULL, &other->set);
	return 1;
}

static void assert_same_set(const struct vma_set *a, const struct vma_set *b)
{
	assert_true(a->n > VMAS);
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(a->vmas[i].start, b->vmas[i].start);
		assert_int_equal(a->vmas[i].end, b->vmas[i].end);
		assert_int_equal(a->vmas[i].rss, b->vmas[i].rss);
		assert_string_equal(vma_set__name(a, &a->vmas[i]), vma_set__name(b, &b->vmas[i]));
	}
}

/* Also when the thread is taken: then it is read without. */
static void the_smaps_of_a_large_process(void **state)
{
	pid_t pid = fork_large();
	int pidfd = procfs__open("/proc", pid);
	_cleanup_close_ int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct other other = {.ahead = *state, .pidfd = pidfd, .err = -EINVAL};
	struct vma_set ahead = {}, alone = {};
	atomic_bool stop = true;

	assert_int_equal(procfs__vmas(pidfd, SMAPS_FULL, NULL, &alone), 0);
	assert_int_equal(procfs__smaps_ahead(pidfd, *state, NULL, &ahead), 0);
	assert_same_set(&ahead, &alone);
	assert_int_equal(ahead__read(*state, zero, NULL, read_another, &other), 1);
	assert_int_equal(other.err, 0);
	assert_same_set(&other.set, &alone);
	vma_set__free(&ahead);
	vma_set__free(&other.set);
	vma_set__free(&alone);
	assert_int_equal(procfs__smaps_ahead(pidfd, *state, &stop, &ahead), -ECANCELED);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procfs__smaps_ahead(pidfd, *state, NULL, &ahead), -ESRCH);
	close(pidfd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_bytes),
		TEST(a_slow_one),
		TEST(however_it_ends),
		TEST(the_smaps_of_a_large_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
