// SPDX-License-Identifier: BSD-2-Clause
/*
 * The launcher, what opens files, and the symbolizer's child end at each message of their protocols
 * (user/symbolize/launcher.h, opener.h, user/wire/wire.h). The linker puts this before sendmsg()
 * and recvmsg(), in every process; the table says which message is the last one. An answer comes
 * all the same; and where the launcher is left, the next one is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/child.h"
#include "symbolizer_fixture.h"
#include "util/cleanup.h"
#include "wire/wire.h"

enum who { LAUNCHER, OPENER, CHILD };
enum when { BEFORE_IT_SENDS, AFTER_IT_SENT, AFTER_IT_RECEIVED };

#define ANY 0

struct death {
	enum who who;
	enum when when;
	uint32_t type; /* what the message begins with; ANY: it has no type */
};

/* In a file that all of them map: a child begins anew, and has one of our variables only, which
 * says where that is. */
#define PLACE "LD_LIBRARY_PATH"

struct plan {
	struct death death;
	atomic_uint armed;
	atomic_uint died;
};

static struct plan *plan;
static bool is_child;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

/* A child may not ask for its name any more. */
static bool is_it(enum who who)
{
	char name[16] = "";

	if (is_child || who == CHILD)
		return is_child && who == CHILD;
	prctl(PR_GET_NAME, name);
	return !strcmp(name, who == LAUNCHER ? "memprov-launch" : "memprov-open");
}

static void die_if_due(enum when when, const struct msghdr *message)
{
	uint32_t type;

	if (!plan || !plan->armed || plan->death.when != when || !is_it(plan->death.who))
		return;
	memcpy(&type, message->msg_iov[0].iov_base, sizeof(type));
	if ((plan->death.type != ANY && plan->death.type != type) ||
	    !atomic_exchange(&plan->armed, 0))
		return;
	plan->died++;
	syscall(SYS_exit_group, 1);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t n;

	die_if_due(BEFORE_IT_SENDS, message);
	n = __real_sendmsg(fd, message, flags);
	if (n >= 0)
		die_if_due(AFTER_IT_SENT, message);
	return n;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = __real_recvmsg(fd, message, flags);

	if (n >= (ssize_t)sizeof(uint32_t))
		die_if_due(AFTER_IT_RECEIVED, message);
	return n;
}

static void map_plan(const char *place)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	void *at;

	snprintf(path, sizeof(path), "%s/plan", place);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*plan)))
		abort();
	at = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		abort();
	plan = at;
}

/* --- what is asked -----------------------------------------------------------------------------
 */

/* A stack that leads to code made at run time, of this process: the child asks for its names. */
static void unwind_made_code(struct fixture *fixture, void *code)
{
	struct {
		struct mp_stack head;
		uint64_t ips[2];
	} stack = {.head = {.kind = MP_STACK_FP, .bytes = sizeof(stack.ips)},
		   .ips = {(uintptr_t)code, (uintptr_t)code + 8}};
	_cleanup_close_ int pidfd = procfs__open("/proc", getpid());
	struct proc_stat stat;
	struct traced self = {.pid = getpid(), .stack = &stack.head};

	assert_int_equal(procfs__stat(pidfd, &stat), 0);
	self.start_ticks = stat.start_ticks;
	assert_true(unwind(fixture, &self).n >= 1);
	symbolizer__forget(fixture->symbolizer, self.pid, self.start_ticks);
}

static void find_python(struct fixture *fixture, const struct traced *traced)
{
	const struct unwind_request request = {
		.tgid = traced->pid, .start_ticks = traced->start_ticks, .stack = traced->stack};
	struct found_python found = {};
	int err = symbolizer__find_python(fixture->symbolizer, &request, &found);

	assert_true(!err || err == -EAGAIN);
}

/* Every message is sent once, or more often. */
static struct unwound ask_for_all(struct fixture *fixture, const struct traced *traced, void *code)
{
	struct unwound unwound = unwind(fixture, traced);

	unwind_made_code(fixture, code);
	find_python(fixture, traced);
	return unwound;
}

/* --- the table ---------------------------------------------------------------------------------
 */

static const struct death deaths[] = {
	{LAUNCHER, AFTER_IT_RECEIVED, LAUNCHER_SYMBOLIZE},
	{LAUNCHER, AFTER_IT_RECEIVED, LAUNCHER_OPEN},
	{LAUNCHER, AFTER_IT_RECEIVED, LAUNCHER_END},
	{LAUNCHER, BEFORE_IT_SENDS, ANY},
	{LAUNCHER, AFTER_IT_SENT, ANY},
	{OPENER, AFTER_IT_RECEIVED, ANY},
	{OPENER, BEFORE_IT_SENDS, ANY},
	{OPENER, AFTER_IT_SENT, ANY},
	{CHILD, AFTER_IT_RECEIVED, WIRE_BLAME},
	{CHILD, AFTER_IT_RECEIVED, WIRE_FILE},
	{CHILD, AFTER_IT_RECEIVED, WIRE_IMAGE},
	{CHILD, AFTER_IT_RECEIVED, WIRE_UNWIND},
	{CHILD, AFTER_IT_RECEIVED, WIRE_OPENED},
	{CHILD, AFTER_IT_RECEIVED, WIRE_DROP_FILE},
	{CHILD, AFTER_IT_RECEIVED, WIRE_DROP_PROCESS},
	{CHILD, AFTER_IT_RECEIVED, WIRE_FIND_PYTHON},
	{CHILD, BEFORE_IT_SENDS, WIRE_NEED},
	{CHILD, AFTER_IT_SENT, WIRE_NEED},
	{CHILD, BEFORE_IT_SENDS, WIRE_ANSWER},
	{CHILD, AFTER_IT_SENT, WIRE_ANSWER},
	{CHILD, BEFORE_IT_SENDS, WIRE_PYTHON},
	{CHILD, AFTER_IT_SENT, WIRE_PYTHON},
};

static void check_end(struct fixture *fixture, const struct traced *traced)
{
	struct unwound unwound;

	if (plan->death.who != LAUNCHER) {
		assert_int_equal(symbolizer__launcher(fixture->symbolizer), LAUNCHER_SERVES);
		for (int i = 0; i < 100 && (unwound = unwind(fixture, traced)).truncated; i++)
			usleep(100000);
		assert_false(unwound.truncated);
		assert_int_equal(unwound.source, STACK_SOURCE_CFI);
		return;
	}
	for (int i = 0; i < 100 && symbolizer__launcher(fixture->symbolizer) != LAUNCHER_HAS_ENDED;
	     i++)
		usleep(100000);
	assert_int_equal(symbolizer__launcher(fixture->symbolizer), LAUNCHER_HAS_ENDED);
	/* One that it had just begun may not know yet that it is to end with it, and goes on. */
	if (plan->death.when == AFTER_IT_SENT) {
		assert_true(unwind(fixture, traced).n >= 1);
		return;
	}
	for (int i = 0; i < 100 && !(unwound = unwind(fixture, traced)).truncated; i++)
		usleep(100000);
	assert_true(unwound.truncated && unwound.n >= 1);
	assert_non_null(unwound.frames[0].module);
	assert_null(unwound.frames[0].function);
}

static void run(void **state)
{
	const struct death *death = *state;
	void *fixture_state,
		*code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct fixture *fixture;

	plan->armed = plan->died = 0;
	plan->death = *death;
	assert_int_equal(set_up(&fixture_state), 0);
	fixture = fixture_state;
	plan->armed = 1;
	for (int i = 0; i < 3 && !plan->died; i++) {
		assert_true(ask_for_all(fixture, &traced, code).n >= 1);
		/* Files go with the last process that has them. */
		symbolizer__forget(fixture->symbolizer, traced.pid, traced.start_ticks);
	}
	assert_int_equal(plan->died, 1);
	check_end(fixture, &traced);
	tear_down(&fixture_state);
	traced__end(&traced);
	munmap(code, 4096);
}

int main(int argc, char **argv)
{
	static char names[ARRAY_SIZE(deaths)][64];
	static const char *const who[] = {"launcher", "opener", "child"};
	static const char *const when[] = {"before it sends", "after it sent", "after it received"};
	struct CMUnitTest tests[ARRAY_SIZE(deaths)] = {};
	char place[] = "/tmp/memprov-deaths-XXXXXX", path[PATH_MAX];
	int failed;

	is_child = child__is_meant(argc, argv);
	if (is_child) {
		if (getenv(PLACE))
			map_plan(getenv(PLACE));
		return child__main(argc, argv);
	}
	if (!mkdtemp(place))
		return 1;
	setenv(PLACE, place, 1);
	map_plan(place);
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		snprintf(names[i], sizeof(names[i]), "%s, %s %u", who[deaths[i].who],
			 when[deaths[i].when], deaths[i].type);
		tests[i] = (struct CMUnitTest){names[i], run, NULL, NULL, (void *)&deaths[i]};
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	failed = _cmocka_run_group_tests("deaths", tests, ARRAY_SIZE(deaths), NULL, NULL);
	snprintf(path, sizeof(path), "%s/plan", place);
	unlink(path);
	rmdir(place);
	return failed;
}
