// SPDX-License-Identifier: BSD-2-Clause
/* Where threads that were there before us have their stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "proc/threads.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t sp;
	} cases[] = {
		{"202 0x7f1 0x80 0x0 0x0 0x0 0x0 0x7ffd1230 0x7f00\n", 0, 0x7ffd1230},
		{"-1 0x7ffd1230 0x7f00\n", 0, 0x7ffd1230},
		{"running\n", -EAGAIN, 0},
		{"", -EBADMSG, 0},
		{"-", -EBADMSG, 0},
		{"202 0x7f1 0x80\n", 0, 0x7f1}, /* as many as outside of a call */
		{"202 0x7f1 0x80 0x1\n", -EBADMSG, 0},
		{"202 0x7f1 0x80 0x0 0x0 0x0 0x0 0x7ffd1230 \n", -EBADMSG, 0},
		{"202 0x7f1 0x80 0x0 0x0 0x0 0x0 0x11112222333344445 0x1\n", -EBADMSG, 0},
		{"x 0x1 0x2\n", -EBADMSG, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t sp = 0;

		assert_int_equal(proc_syscall__parse(cases[i].text, strlen(cases[i].text), &sp),
				 cases[i].err);
		assert_int_equal(sp, cases[i].sp);
	}
}

struct sleeper {
	pid_t tid;
	char *local; /* somewhere on its stack */
	pthread_barrier_t begun;
	pthread_mutex_t hold;
};

static void *sleep_in(void *arg)
{
	struct sleeper *s = arg;
	char here = 0;

	pthread_setname_np(pthread_self(), "a sleeper");
	s->tid = syscall(SYS_gettid);
	s->local = &here;
	pthread_barrier_wait(&s->begun);
	pthread_mutex_lock(&s->hold); /* until the test is through */
	pthread_mutex_unlock(&s->hold);
	return NULL;
}

static void test_a_real_thread(void **state)
{
	struct sleeper s = {.hold = PTHREAD_MUTEX_INITIALIZER};
	_cleanup_free_ struct proc_thread *threads = NULL;
	int pidfd = procfs__open("/proc", getpid());
	const struct vma *vma = NULL;
	struct vma_set set = {0};
	pthread_t thread;
	size_t n = 0;
	char *no_guard = mmap(NULL, 2 * getpagesize(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(no_guard, MAP_FAILED);
	assert_int_equal(mprotect(no_guard, getpagesize(), PROT_READ), 0);
	pthread_barrier_init(&s.begun, NULL, 2);
	pthread_mutex_lock(&s.hold);
	pthread_create(&thread, NULL, sleep_in, &s);
	pthread_barrier_wait(&s.begun);
	for (int i = 0; i < 60000 && !n; i++) { /* it may still be on its way to sleep */
		free(take_ptr(threads));
		assert_int_equal(procfs__threads(pidfd, getpid(), 100, &threads, &n), 0);
		usleep(1000);
	}
	assert_int_equal(n, 1);
	assert_int_equal(threads[0].tid, s.tid);
	assert_string_equal(threads[0].comm, "a sleeper");
	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set), 0);
	vma = vma_set__thread_stack(&set, threads[0].stack_pointer);
	assert_non_null(vma);
	assert_true(vma->start <= (uintptr_t)s.local && (uintptr_t)s.local < vma->end);
	/* ours, the main one, is no such thing, and neither is memory above what can be read */
	assert_null(vma_set__thread_stack(&set, (uintptr_t)&s));
	assert_null(vma_set__thread_stack(&set, (uintptr_t)no_guard + getpagesize()));
	assert_null(vma_set__thread_stack(&set, 1));

	pthread_mutex_unlock(&s.hold);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&s.begun);
	vma_set__free(&set);
	munmap(no_guard, 2 * getpagesize());
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_a_real_thread),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
