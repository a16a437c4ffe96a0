// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every call that may fail, one after the other, in every room: memory is refused, the kernel says
 * EINTR, EMFILE, EIO, … or gives half of what was asked for. Then a scenario (tests/faults) says
 * what it says otherwise, or returns an error; it loses no memory (AddressSanitizer looks) and no
 * descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../faults/scenarios.h"
#include "util/cleanup.h"

/* What each call may fail with, as its man page has it. */
static const struct {
	const char *call;
	int errors[8];
} faults[] = {
	{FAULT_MEMORY, {ENOMEM}},
	{"read", {EINTR, EIO, ENOMEM, ESRCH, FAULT_SHORT}},
	{"pread", {EINTR, EIO, ENOMEM, FAULT_SHORT}},
	{"open", {EMFILE, ENFILE, ENOMEM, EACCES}},
	{"openat", {EMFILE, ENFILE, ENOMEM, EACCES, ESRCH}},
	{"openat2", {EAGAIN, EMFILE, ENOMEM}},
	{"readlink", {EIO, ENOMEM, EACCES}},
	{"readlinkat", {EIO, ENOMEM, EACCES}},
	{"fstat", {EIO, ENOMEM}},
	{"stat", {EIO, ENOMEM, EACCES}},
	{"ioctl", {EINTR, ENOMEM, ENOTTY, EPERM}},
	{"mmap", {ENOMEM, EAGAIN}},
	{"inotify_init1", {EMFILE, ENOMEM}},
	{"inotify_add_watch", {ENOSPC, ENOMEM}},
	{"pipe2", {EMFILE, ENFILE}},
	{"eventfd", {EMFILE, ENOMEM}},
	{"socketpair", {EMFILE, ENOMEM}},
	{"sendmsg", {EINTR, EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS, EPIPE}},
	{"recvmsg", {EINTR, EAGAIN, ENOMEM, ECONNRESET}},
	{"poll", {EINTR, ENOMEM}},
	{"fork", {EAGAIN, ENOMEM}},
	{"perf_event_open", {EMFILE, ENOMEM, EACCES, ENODEV}},
	{"memfd_create", {EMFILE, ENOMEM}},
	{"process_vm_readv", {ENOMEM, EPERM, ESRCH}},
	{"pthread_create", {EAGAIN}},
};

static struct fault_plan plan;

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static bool is_transparent(const struct scenario *scenario, int err)
{
	return scenario->flags & ONLY_READS && (err == EINTR || err == FAULT_SHORT);
}

/* What came of it, as it must. */
static void check(const struct scenario *scenario, int err, const struct said *said,
		  const struct said *whole)
{
	bool same = said->len == whole->len && !memcmp(said->text, whole->text, said->len);

	if (err > 0)
		fail_msg("%s: %s: returned %d", scenario->room, scenario->name, err);
	if (!err && !same && !(scenario->flags & MAY_LOSE) &&
	    !(scenario->flags & COUNTS_LOSS && said->lost))
		fail_msg("%s: %s: %s %d/%u: no error, but\n%.*s\nin place of\n%.*s", scenario->room,
			 scenario->name, plan.call, plan.err, plan.nth, (int)said->len, said->text,
			 (int)whole->len, whole->text);
	if (err && is_transparent(scenario, plan.err))
		fail_msg("%s: %s: %s fails with %d, %d/%u was not tried again", scenario->room,
			 scenario->name, plan.call, err, plan.err, plan.nth);
	if (err && !strcmp(plan.call, FAULT_MEMORY) && err != -ENOMEM &&
	    !(scenario->flags & MAY_LOSE))
		fail_msg("%s: %s: memory refused (%u): %s", scenario->room, scenario->name,
			 plan.nth, strerror(-err));
}

/* How many calls failed. */
static size_t walk(const struct scenario *scenario, const char *call, int error, bool for_ever,
		   const struct said *whole)
{
	static struct said said;
	size_t before = count_descriptors(), n = 0;
	int err;

	/* For ever, it is much the same from each of two that are near each other. */
	for (uint32_t nth = 1;; nth += for_ever ? 1 + nth / 8 : 1) {
		said.len = said.lost = 0;
		plan = (struct fault_plan){
			.err = error, .nth = nth, .for_ever = for_ever, .only_pid = getpid()};
		snprintf(plan.call, sizeof(plan.call), "%s", call);
		err = scenario->run(&said);
		plan.held = 1;
		if (!plan.failed)
			return n;
		check(scenario, err, &said, whole);
		if (count_descriptors() != before)
			fail_msg("%s: %s: a descriptor is lost when %s fails with %d, %u",
				 scenario->room, scenario->name, call, error, nth);
		n++;
	}
}

static void run(void **state)
{
	const struct scenario *scenario = *state;
	static struct said whole;
	size_t n = 0;

	whole.len = 0;
	plan = (struct fault_plan){};
	/* Twice: what is made once and kept is there then. */
	assert_int_equal(scenario->run(&whole), 0);
	whole.len = 0;
	assert_int_equal(scenario->run(&whole), 0);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		for (const int *error = faults[i].errors; *error; error++) {
			n += walk(scenario, faults[i].call, *error, false, &whole);
			/* A call that is begun again for ever hangs; that is no fault of ours. */
			if (*error != EINTR && *error != FAULT_SHORT)
				n += walk(scenario, faults[i].call, *error, true, &whole);
		}
	}
	print_message("%s: %s: %zu calls failed\n", scenario->room, scenario->name, n);
	assert_true(n > 0);
}

static pid_t begin_subject(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sleep", "sleep", "3600", NULL);
		_exit(1);
	}
	/* Until it has begun, and stands still. */
	sleep(1);
	return pid;
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int n)
{
	return faults__refuse_memory() ? NULL : sqlite_memory.xMalloc(n);
}

static void *sqlite_realloc(void *before, int n)
{
	return faults__refuse_memory() ? NULL : sqlite_memory.xRealloc(before, n);
}

/* Libraries whose memory is ours to give. */
static void refuse_others(void)
{
	sqlite3_mem_methods methods;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
	methods = sqlite_memory;
	methods.xMalloc = sqlite_malloc;
	methods.xRealloc = sqlite_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

static void path_of_subject(char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%d", faults_proc, faults_subject);
}

static void make_proc(void)
{
	char path[PATH_MAX], target[64];

	snprintf(target, sizeof(target), "/proc/%d", faults_subject);
	if (!mkdtemp(faults_proc))
		abort();
	path_of_subject(path);
	if (symlink(target, path))
		abort();
}

static void remove_proc(void)
{
	char path[PATH_MAX];

	path_of_subject(path);
	unlink(path);
	rmdir(faults_proc);
}

int main(int argc, char **argv)
{
	static const struct scenario *const tables[] = {scenarios_pure, scenarios_kept,
							scenarios_proc, scenarios_asking};
	struct CMUnitTest tests[128] = {};
	char names[128][96];
	size_t n = 0;
	int failed;

	fault_plan = &plan;
	refuse_others();
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct scenario *s = tables[i]; s->run; s++, n++) {
			snprintf(names[n], sizeof(names[n]), "%s: %s", s->room, s->name);
			tests[n] = (struct CMUnitTest){names[n], run, NULL, NULL, (void *)s};
		}
	}
	/* test_faults "report: as text" runs that one. */
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	faults_subject = begin_subject();
	make_proc();
	failed = _cmocka_run_group_tests("faults", tests, n, NULL, NULL);
	kill(faults_subject, SIGKILL);
	waitpid(faults_subject, NULL, 0);
	remove_proc();
	return failed;
}
