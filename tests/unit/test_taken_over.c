// SPDX-License-Identifier: BSD-2-Clause
/* What a child of the symbolizer that has been taken over gets: the children here are hostile. Run
 * as root. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/child.h"
#include "wire/channel.h"
#include "wire/wire.h"
#include "symbolizer_fixture.h"
#include "util/clock.h"

#define DIR	"/tmp/memprov-taken-over"
#define PROGRAM DIR "/program"
#define CANARY	"of somebody else, and secret"
#define USER	1234
#define OTHER	4321
#define FILES	32 /* whose debug files it asks for, most of which it has not mapped */

/* --- the child ------------------------------------------------------------------------------ */

/* All that it was ever given. */
struct loot {
	uint32_t processes[64];
	size_t n_processes;
	bool canary;   /* in a stack */
	uint64_t code; /* where the last process that it was told of has some */
	uint64_t stacks;
};

static struct loot loot;
static _Alignas(8) uint8_t packet[WIRE_PACKET_MAX];

static void note_process(uint32_t number)
{
	for (size_t i = 0; i < loot.n_processes; i++) {
		if (loot.processes[i] == number)
			return;
	}
	loot.processes[loot.n_processes++] = number;
}

static int ask(uint32_t number, uint32_t what, const char *text, uint32_t *ret_answer)
{
	struct wire_need need = {{WIRE_NEED, number}, what, strlen(text), ""};
	struct wire_head opened;
	int fd = -1;

	snprintf(need.text, sizeof(need.text), "%s", text);
	if (channel__send(WIRE_SOCKET, &need, sizeof(need), -1, CHANNEL_FOREVER) ||
	    channel__receive(WIRE_SOCKET, &opened, sizeof(opened), &fd, CHANNEL_FOREVER) !=
		    sizeof(opened) ||
	    opened.type != WIRE_OPENED)
		_exit(1);
	*ret_answer = opened.number;
	return fd;
}

/* How many bytes it gets of so many. */
static unsigned ask_memory(uint64_t at, uint64_t len)
{
	struct wire_need need = {{WIRE_NEED, 0}, WIRE_NEED_MEMORY, 0, ""};
	const struct wire_range range = {at, len};
	struct wire_memory answer;

	need.len = sizeof(range);
	memcpy(need.text, &range, sizeof(range));
	if (channel__send(WIRE_SOCKET, &need, sizeof(need), -1, CHANNEL_FOREVER) ||
	    channel__receive(WIRE_SOCKET, &answer, sizeof(answer), NULL, CHANNEL_FOREVER) !=
		    (ssize_t)(sizeof(answer.head) + answer.head.number) ||
	    answer.head.type != WIRE_MEMORY)
		_exit(1);
	return answer.head.number;
}

static void ask_for_memory(char *ret, size_t size)
{
	unsigned code = ask_memory(loot.code, 64), nothing = ask_memory(16, 64), asked = 2;

	while (asked < 2 * WIRE_MEMORY_ASKED && ask_memory(loot.code, 16))
		asked++;
	/* On a busy machine time is up before. */
	snprintf(ret, size, "code %u nothing %u %s", code, nothing,
		 asked <= WIRE_MEMORY_ASKED ? "bounded" : "on and on");
}

/* What the test wants it to ask for is in a file: a name in .gnu_debuglink, "perf map" or "memory".
 */
static void ask_for_all(char *ret, size_t size)
{
	char name[256] = "", head[5];
	uint32_t answers = 0, answer;
	size_t got = 0, elf = 0;
	int file = open(DIR "/ask", O_RDONLY), fd;

	if (file >= 0 && read(file, name, sizeof(name) - 1) < 0)
		_exit(1);
	close(file);
	if (!strcmp(name, "memory")) {
		ask_for_memory(ret, size);
		return;
	}
	for (uint32_t number = 1; *name && number <= FILES; number++) {
		/* Those of the loader and the C library may be installed. */
		if (number > 1 && number < 5)
			continue;
		fd = ask(number, strcmp(name, "perf map") ? WIRE_NEED_DEBUG : WIRE_NEED_PERF_MAP,
			 strcmp(name, "perf map") ? name : "", &answer);
		answers |= answer;
		got += fd >= 0;
		elf += fd >= 0 && pread(fd, head, 4, 0) == 4 && !memcmp(head, "\177ELF", 4);
		close(fd);
	}
	snprintf(ret, size, "got %zu elf %zu answers %u processes %zu canary %d", got, elf, answers,
		 loot.n_processes, loot.canary);
}

/* What it has seen, as the name of a function. */
static void say(uint32_t process)
{
	struct {
		struct wire_answer answer;
		struct wire_frame frame;
		char text[128];
	} __attribute__((packed)) said = {
		.answer = {.head = {WIRE_ANSWER, process}, .source = 1, .n_frames = 1},
		.frame = {.row = WIRE_NO_ROW},
	};

	ask_for_all(said.text, sizeof(said.text));
	said.frame.function_len = strlen(said.text);
	channel__send(WIRE_SOCKET, &said, offsetof(typeof(said), text) + strlen(said.text), -1,
		      CHANNEL_FOREVER);
}

static int hostile_main(void)
{
	const struct wire_head *head = (const void *)packet;

	for (;;) {
		int fd = -1;
		ssize_t n =
			channel__receive(WIRE_SOCKET, packet, sizeof(packet), &fd, CHANNEL_FOREVER);

		if (n <= 0)
			return 0;
		close(fd);
		loot.canary |= memmem(packet, n, CANARY, strlen(CANARY)) != NULL;
		if (head->type == WIRE_IMAGE) {
			note_process(head->number);
			loot.code = ((const struct wire_image *)head)->rows[0].start;
		}
		if (head->type == WIRE_UNWIND)
			say(head->number);
	}
}

/* --- processes ------------------------------------------------------------------------------ */

static void run(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static void ask_next_for(const char *name)
{
	FILE *file = fopen(DIR "/ask", "w");

	fputs(name, file);
	fclose(file);
}

/* A program of that user, which waits. */
static struct traced begin_as(uid_t uid, const char *program)
{
	struct traced traced = {};
	int pair[2], pidfd;
	struct proc_stat stat;
	char byte;

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	traced.pid = fork();
	if (!traced.pid) {
		gid_t group = 77;

		if (setgroups(1, &group) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(126);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, program, "1000", NULL);
		_exit(127);
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
	pidfd = procfs__open("/proc", traced.pid);
	assert_int_equal(procfs__stat(pidfd, &stat), 0);
	close(pidfd);
	traced.start_ticks = stat.start_ticks;
	return traced;
}

static void end_it(const struct traced *traced)
{
	kill(traced->pid, SIGKILL);
	waitpid(traced->pid, NULL, 0);
}

/* A stack of the process with that text on it; what the child has to say. */
static const char *unwind_text(struct fixture *fixture, const struct traced *traced,
			       const char *text)
{
	static struct {
		struct mp_stack stack;
		struct mp_stack_copy copy;
		char bytes[64];
	} raw;
	struct unwind_request request = {.tgid = traced->pid,
					 .start_ticks = traced->start_ticks,
					 .stack = &raw.stack,
					 .taken_ns = clock__boot_ns()};
	struct unwound unwound;

	raw.stack.kind = MP_STACK_COPY;
	raw.stack.bytes = sizeof(raw.copy) + sizeof(raw.bytes);
	memset(raw.bytes, 0, sizeof(raw.bytes));
	snprintf(raw.bytes, sizeof(raw.bytes), "%s", text);
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound), 0);
	assert_int_equal(unwound.n, 1);
	assert_non_null(unwound.frames[0].function);
	return unwound.frames[0].function;
}

#define GETS_NOTHING "got 0 elf 0 answers 0 processes 1 canary 0"
#define GETS_A_FILE  "got 1 elf 1 answers 2 processes 1 canary 0"

static int set_up_files(void **state)
{
	run("rm -rf " DIR " && mkdir -m 755 " DIR " && cp /bin/sleep " PROGRAM
	    " && chmod 755 " PROGRAM);
	return set_up(state);
}

static int tear_down_files(void **state)
{
	run("rm -rf " DIR);
	return tear_down(state);
}

/* --- files ---------------------------------------------------------------------------------- */

/* One debug file in every way that a user may not read it, or that is none of the program's. */
static void what_it_may_not_have(void **state)
{
	static const struct {
		const char *how;
		const char *gets;
	} cases[] = {
		{"cp $P secret; chmod 644 secret", GETS_A_FILE},
		{"cp $P secret; chown 1234 secret; chmod 400 secret", GETS_A_FILE},
		{"cp $P secret; chown 0:77 secret; chmod 640 secret", GETS_A_FILE},
		{"cp $P secret; chown 0:1234 secret; chmod 640 secret", GETS_A_FILE},
		{"mkdir d; cp $P d/secret; ln -s d/secret secret; chmod 711 d", GETS_A_FILE},
		{"mkdir .debug; cp $P .debug/secret", GETS_A_FILE},
		{"cp $P secret; chmod 600 secret", GETS_NOTHING},
		{"cp $P secret; chmod 440 secret", GETS_NOTHING},
		{"cp $P secret; chown 4321 secret; chmod 400 secret", GETS_NOTHING},
		{"cp $P secret; chown 1234 secret; chmod 044 secret", GETS_NOTHING},
		{"mkdir -m 700 d; cp $P d/secret; ln -s d/secret secret", GETS_NOTHING},
		{"mkdir -m 700 .debug; cp $P .debug/secret", GETS_NOTHING},
		{"echo root:x:0:0 >secret; chmod 644 secret", GETS_NOTHING},
		{"cp /etc/shadow secret", GETS_NOTHING},
		{"ln -s /etc/passwd secret", GETS_NOTHING},
		{"cp /bin/cat secret; chmod 755 secret", GETS_NOTHING},
		{"mkfifo -m 666 secret", GETS_NOTHING},
		{"mkdir secret", GETS_NOTHING},
		{"mknod -m 666 secret c 1 5", GETS_NOTHING},
		{"ln -s /proc/self/exe secret", GETS_NOTHING},
		{"ln -s secret secret", GETS_NOTHING},
		{"head -c 64 $P >secret; chmod 644 secret", GETS_NOTHING},
		{":", GETS_NOTHING},
	};
	struct fixture *fixture = *state;
	struct traced user = begin_as(USER, PROGRAM);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *said;

		run("cd " DIR " && rm -rf secret d .debug && P=" PROGRAM " && umask 022 && %s",
		    cases[i].how);
		ask_next_for("secret");
		said = unwind_text(fixture, &user, "");
		if (strcmp(said, cases[i].gets))
			fail_msg("%s: %s", cases[i].how, said);
	}
	end_it(&user);
}

/* A name that leads elsewhere is not only not followed: such a child is ended. */
static void names_that_are_none(void **state)
{
	static const char *const names[] = {"../../etc/shadow", "/etc/shadow", "..", ".", "a/b"};
	struct fixture *fixture = *state;
	struct symbolizer_stats stats;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct traced user = begin_as(USER + i, PROGRAM);
		struct mp_stack stack = {.kind = MP_STACK_FP};
		struct unwind_request request = {
			.tgid = user.pid, .start_ticks = user.start_ticks, .stack = &stack};
		struct unwound unwound;

		ask_next_for(names[i]);
		assert_int_equal(
			symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound),
			0);
		assert_int_equal(unwound.n, 0);
		ask_next_for("");
		assert_string_equal(unwind_text(fixture, &user, ""), GETS_NOTHING);
		symbolizer__stats(fixture->symbolizer, &stats);
		assert_int_equal(stats.restarts, i + 1);
		end_it(&user);
	}
}

/* The map of what a JIT made is the process's own, as far as the process may read it. */
static void perf_maps(void **state)
{
	struct fixture *fixture = *state;
	struct traced user = begin_as(USER, PROGRAM);

	run("echo 1000 10 name >/tmp/perf-%d.map", user.pid);
	ask_next_for("perf map");
	assert_string_equal(unwind_text(fixture, &user, ""), GETS_NOTHING);
	run("chown %d /tmp/perf-%d.map", USER, user.pid);
	assert_string_equal(unwind_text(fixture, &user, ""),
			    "got 29 elf 0 answers 2 processes 1 canary 0");
	run("chmod 0 /tmp/perf-%d.map", user.pid);
	assert_string_equal(unwind_text(fixture, &user, ""), GETS_NOTHING);
	run("rm /tmp/perf-%d.map && ln -s /etc/shadow /tmp/perf-%d.map", user.pid, user.pid);
	assert_string_equal(unwind_text(fixture, &user, ""), GETS_NOTHING);
	run("rm /tmp/perf-%d.map", user.pid);
	end_it(&user);
}

/* Of the process whose stack it unwinds, a bounded number of times; and what cannot be read takes
 * nothing from what can. */
static void memory(void **state)
{
	struct fixture *fixture = *state;
	struct traced user = begin_as(USER, PROGRAM);

	assert_int_equal(symbolizer__start(fixture->symbolizer), 0);
	ask_next_for("memory");
	assert_string_equal(unwind_text(fixture, &user, ""), "code 64 nothing 0 bounded");
	end_it(&user);
}

/* --- others' bytes -------------------------------------------------------------------------- */

/* Root's stack is not in the child that reads its user's files, in either order. */
static void what_others_have(void **state)
{
	struct fixture *fixture = *state;
	struct traced root = begin_as(0, "/bin/sleep"), user = begin_as(USER, PROGRAM);
	struct traced other = begin_as(OTHER, PROGRAM), same = begin_as(USER, PROGRAM);

	ask_next_for("");
	assert_string_equal(unwind_text(fixture, &root, CANARY),
			    "got 0 elf 0 answers 0 processes 1 canary 1");
	assert_string_equal(unwind_text(fixture, &user, "own"), GETS_NOTHING);
	assert_string_equal(unwind_text(fixture, &other, "own"), GETS_NOTHING);
	assert_string_equal(unwind_text(fixture, &root, "own"),
			    "got 0 elf 0 answers 0 processes 1 canary 1");
	assert_string_equal(unwind_text(fixture, &user, "own"), GETS_NOTHING);
	/* Of the same user there may be several. */
	assert_string_equal(unwind_text(fixture, &same, "own"),
			    "got 0 elf 0 answers 0 processes 2 canary 0");
	end_it(&root);
	end_it(&user);
	end_it(&other);
	end_it(&same);
}

/* The children of a process, into pids; how many. */
static int children_of(pid_t pid, pid_t *pids, int max)
{
	char path[64];
	FILE *file;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (n < max && fscanf(file, "%d", &pids[n]) == 1)
		n++;
	fclose(file);
	return n;
}

/* The launcher is our first child. What it has killed takes a while to go on a busy machine. */
static void assert_children(int n)
{
	pid_t pids[256];

	assert_true(children_of(getpid(), pids, 256) > 0);
	for (int i = 0; i < 1000 && children_of(pids[0], &pids[1], 255) > n; i++)
		usleep(10000);
	assert_int_equal(children_of(pids[0], &pids[1], 255), n);
}

/* A hundred users have no hundred children. */
static void many_users(void **state)
{
	struct fixture *fixture = *state;
	struct traced users[100];

	ask_next_for("");
	for (int i = 0; i < 100; i++) {
		users[i] = begin_as(USER + i, PROGRAM);
		assert_string_equal(unwind_text(fixture, &users[i], ""), GETS_NOTHING);
		assert_children(i < 16 ? i + 1 : 16);
	}
	for (int i = 0; i < 100; i++) {
		assert_string_equal(unwind_text(fixture, &users[i], ""), GETS_NOTHING);
		end_it(&users[i]);
	}
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_files, tear_down_files)
	const struct CMUnitTest tests[] = {
		TEST(what_it_may_not_have),
		TEST(names_that_are_none),
		TEST(perf_maps),
		TEST(memory),
		TEST(what_others_have),
		TEST(many_users),
	};

	if (child__is_meant(argc, argv))
		return hostile_main();
	return cmocka_run_group_tests_name("taken over", tests, NULL, NULL);
}
