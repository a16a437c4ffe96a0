// SPDX-License-Identifier: BSD-2-Clause
/* The pure parts of user/symbolize, and the files besides the mapped ones that it asks for. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/child.h"
#include "symbolize/file_table.h"
#include "symbolize/needs.h"
#include "util/cleanup.h"
#include "wire/fp.h"
#include "symbolizer_fixture.h"

/* --- calls --------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static void calls(void **state)
{
	static const struct {
		uint8_t bytes[CALL_LEN_MAX]; /* right before the return address */
		bool is_call;
	} cases[] = {
		{{0x90, 0x90, 0x90, 0xe8, 1, 2, 3, 4}, true},		   /* call rel32 */
		{{0x90, 0x90, 0x90, 0xe9, 1, 2, 3, 4}, false},		   /* jmp */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0}, true},  /* call *%rax */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0}, false}, /* jmp *%rax */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 0x10}, true},  /* call *16(%rax) */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x14, 0xd8}, true},  /* call *(%rax,%rbx,8) */
		{{0x90, 0x90, 0xff, 0x15, 1, 2, 3, 4}, true},		   /* call *x(%rip) */
		{{0x90, 0x90, 0xff, 0x25, 1, 2, 3, 4}, false},		   /* jmp *x(%rip) */
		{{0x90, 0xff, 0x14, 0xc5, 1, 2, 3, 4}, true},		   /* call *x(,%rax,8) */
		{{0x90, 0x90, 0xff, 0x90, 1, 2, 3, 4}, true},		   /* call *x(%rax) */
		{{0x90, 0x90, 0x90, 0x90, 0xff, 0x54, 0x24, 8}, true},	   /* call *8(%rsp) */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}, false},
		{{0}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (fp__is_call(cases[i].bytes, CALL_LEN_MAX) != cases[i].is_call)
			fail_msg("case %zu", i);
	}
	assert_false(fp__is_call((uint8_t[]){0xff}, 1));
	assert_false(fp__is_call(NULL, 0));
}

static void call_targets(void **state)
{
	uint8_t back[] = {0xe8, 0xf0, 0xff, 0xff, 0xff};
	uint64_t target;

	assert_true(fp__call_target(back, sizeof(back), 0x1000, &target));
	assert_int_equal(target, 0xff0);
	back[0] = 0xe9;
	assert_false(fp__call_target(back, sizeof(back), 0x1000, &target));
	assert_false(fp__call_target(back, 4, 0x1000, &target));
}

/* What has run of the prologue, and how much of the stack is the function's own then. */
#define CODE(bytes) bytes, sizeof(bytes) - 1

static void frame_sizes(void **state)
{
	static const struct {
		const char *code;
		size_t len;
		size_t done;
		uint64_t size; /* 1: not known */
	} cases[] = {
		/* push %rbp; push %rbx; sub $0x18, %rsp; call */
		{CODE("\x55\x53\x48\x83\xec\x18\xe8"), 11, 40},
		{CODE("\x55\x53\x48\x83\xec\x08\xe8"), 1, 8},
		{CODE("\x55\x53\x48\x83\xec\x08\xe8"), 0, 1},
		/* endbr64; push %r13; movslq %esi, %rax; push %r12; lea 8(%rdx,%rax,8), %r13; jne
		 */
		{CODE("\xf3\x0f\x1e\xfa\x41\x55\x48\x63\xc6\x41\x54\x4c\x8d\x6c\xc2\x08\x75\x10"),
		 99, 16},
		/* mov %fs:0x28, %rax; sub $0x188, %rsp; call */
		{CODE("\x64\x48\x8b\x04\x25\x28\0\0\0\x48\x81\xec\x88\x01\0\0\xe8"), 99, 0x188},
		/* pxor %xmm0, %xmm0; movaps %xmm0, (%rsp); movl $1, 4(%rsp); mov $1, %eax; push
		   %rax */
		{CODE("\x66\x0f\xef\xc0\x0f\x29\x04\x24\xc7\x44\x24\x04\x01\0\0\0\xb8\x01\0\0\0\x50"
		      "\xe8"),
		 99, 8},
		/* movabs $1, %rbx; push %rbx; pop %rbx: what it had is not what it has */
		{CODE("\x48\xbb\x01\0\0\0\0\0\0\0\x53\x5b"), 99, 8},
		/* What sets the stack pointer, in five ways. */
		{CODE("\x48\x89\xc4"), 99, 1},
		{CODE("\x48\x8d\x64\x24\xf8"), 99, 1},
		{CODE("\x48\x01\xc4"), 99, 1},
		{CODE("\x48\x83\xc4\x08"), 99, 1},
		{CODE("\x48\x8b\x23"), 99, 1},
		/* mov %rsp, %rbp; cmp %rsp, %rax; test %rsp, %rsp only read it; so of %r12. */
		{CODE("\x48\x89\xe5\x48\x39\xc4\x48\x85\xe4\x49\x89\xc4\x53\xe8"), 99, 8},
		{CODE("\xe8\0\0\0\0"), 99, 1},
	};
	uint8_t code[PROLOGUE_MAX];
	uint64_t size;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* Behind each a return. */
		memset(code, 0xc3, sizeof(code));
		memcpy(code, cases[i].code, cases[i].len);
		if (!fp__frame_size(code, sizeof(code), cases[i].done, &size))
			size = 1;
		if (size != cases[i].size)
			fail_msg("case %zu: %ju, not %ju", i, (uintmax_t)size,
				 (uintmax_t)cases[i].size);
	}
	assert_false(fp__frame_size(code, 15, 99, &size));
}
#elif defined(__aarch64__)
static void calls(void **state)
{
	static const struct {
		uint32_t code;
		bool is_call;
	} cases[] = {
		{0x94000002, true},  /* bl */
		{0x14000002, false}, /* b */
		{0xd63f0060, true},  /* blr x3 */
		{0xd63f087f, true},  /* blraaz x3 */
		{0xd73f0c64, true},  /* blrab x3, x4 */
		{0xd61f0060, false}, /* br x3 */
		{0xd71f0864, false}, /* braa x3, x4 */
		{0xd65f03c0, false}, /* ret */
		{0xd503233f, false}, /* paciasp */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (fp__is_call((const void *)&cases[i].code, 4) != cases[i].is_call)
			fail_msg("case %zu", i);
	}
}

static void call_targets(void **state)
{
	uint32_t back = 0x97fffffe, forth = 0x94000002, jump = 0x14000002;
	uint64_t target;

	assert_true(fp__call_target((void *)&back, 4, 0x1000, &target));
	assert_int_equal(target, 0xff4);
	assert_true(fp__call_target((void *)&forth, 4, 0x1000, &target));
	assert_int_equal(target, 0x1004);
	assert_false(fp__call_target((void *)&jump, 4, 0x1000, &target));
	assert_false(fp__call_target((void *)&forth, 3, 0x1000, &target));
}
#endif

/* A frame pointer is followed outwards only, and within the copy. */
static void frame_pointers(void **state)
{
	uint64_t words[8] = {0}, pc;
	uint32_t read[8];
	struct copied_stack stack = {
		.pieces = {.at = {0x1000}, .len = {sizeof(words)}, .bytes = (void *)words},
		.words = read,
		.words_max = 8};
	static const uint64_t bad[] = {0, 0xff8, 0x1004, 0x1038, 0x1040, 0x2000, UINT64_MAX - 7};
	struct machine machine = {}, caller;

	machine__set(&machine, MACHINE_SP, 0x1000);
	words[2] = 0x1030;
	words[3] = 0x4242;
	machine__set(&machine, MACHINE_FP, 0x1010);
	assert_true(fp__step(&machine, &stack, &caller, &pc));
	assert_int_equal(pc, 0x4242);
	assert_int_equal(caller.regs[MACHINE_SP], 0x1020);
	assert_int_equal(stack.n_words, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		machine__set(&machine, MACHINE_FP, bad[i]);
		assert_false(fp__step(&machine, &stack, &caller, &pc));
	}
}

/* --- tables -------------------------------------------------------------------------------- */

static void statuses(void **state)
{
	static const struct {
		const char *text;
		int result;
		pid_t pid;
		uid_t uid;
	} cases[] = {
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t44\n", 0, 44, 2},
		{"Name:\tx\nUid:\t0\t1000\t0\t0\nNStgid:\t44\t7\t1\nVmPeak: 5\n", 0, 1, 1000},
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t44\nNSpid:\t45\n", 0, 44, 2},
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNSpid:\t44\n", -EBADMSG, 0, 0},
		{"Name:\tx\nUid:\t1\t2\t3\t4\n", -EBADMSG, 0, 0},
		{"Name:\tx\nNStgid:\t44\n", -EBADMSG, 0, 0},
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t44", -EBADMSG, 0, 0},
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t\n", -EBADMSG, 0, 0},
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t0\n", -EBADMSG, 0, 0},
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t99999999999\n", -EBADMSG, 0, 0},
		{"", -EBADMSG, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t pid = 0;
		uid_t uid = 0;

		assert_int_equal(needs__parse_status(cases[i].text, &pid, &uid), cases[i].result);
		assert_int_equal(pid, cases[i].pid);
		assert_int_equal(uid, cases[i].uid);
	}
}

static void numbers_of_files(void **state)
{
	struct file_table *table = file_table__new();
	struct file_identity a = {.dev = 1, .inode = 2}, b = {.dev = 1, .inode = 3};
	bool is_new;
	uint32_t number = file_table__take(table, &a, &is_new);

	assert_true(number && is_new);
	assert_int_equal(file_table__take(table, &a, &is_new), number);
	assert_false(is_new);
	assert_false(file_table__release(table, number));
	assert_int_not_equal(file_table__take(table, &b, &is_new), number);
	assert_true(file_table__release(table, number));
	/* A file that the child died of once is tried again; the second time, no more. */
	number = file_table__take(table, &a, &is_new);
	file_table__blame(table, number);
	assert_int_equal(file_table__take(table, &a, &is_new), number);
	file_table__blame(table, number);
	file_table__blame(table, 0);
	file_table__blame(table, UINT32_MAX);
	assert_int_equal(file_table__take(table, &a, &is_new), 0);
	assert_int_not_equal(file_table__take(table, &b, &is_new), 0);
	/* Changed since, it is another. */
	a.mtime_ns++;
	assert_int_not_equal(file_table__take(table, &a, &is_new), 0);
	for (b.inode = 100; !file_table__is_full(table); b.inode++)
		assert_int_not_equal(file_table__take(table, &b, &is_new), 0);
	assert_int_equal(file_table__take(table, &b, &is_new), 0);
	file_table__free(table);
}

/* --- other files --------------------------------------------------------------------------- */

#define DIR "/tmp/memprov-debug"

static void clean(void)
{
	assert_int_equal(system("rm -rf " DIR), 0);
}

static void make_debug_link(void)
{
	clean();
	assert_int_equal(system("mkdir -p " DIR "/.debug && cd " DIR " && cp $OLDPWD/" STACKS
				" . && objcopy --only-keep-debug stacks .debug/stacks.debug && "
				"strip stacks && cd .debug && "
				"objcopy --add-gnu-debuglink=stacks.debug ../stacks"),
			 0);
}

static bool names_innermost(const struct unwound *unwound)
{
	for (size_t i = 0; i < unwound->n; i++) {
		if (unwound->frames[i].function &&
		    !strcmp(unwound->frames[i].function, "innermost"))
			return true;
	}
	return false;
}

/* Functions that only the debug file knows, found by the name in .gnu_debuglink in .debug/; not
 * when it is another program's. */
static void debug_link(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {DIR "/stacks", "chain", NULL};
	struct traced traced;
	struct unwound unwound;

	make_debug_link();
	traced = traced__start(argv, MP_STACK_MAX);
	unwound = unwind(fixture, &traced);
	assert_false(unwound.truncated);
	assert_true(names_innermost(&unwound));
	traced__end(&traced);
	symbolizer__forget(fixture->symbolizer, traced.pid, traced.start_ticks);
	assert_int_equal(system("objcopy --only-keep-debug build/workloads/agent " DIR
				"/.debug/stacks.debug"),
			 0);
	traced = traced__start(argv, MP_STACK_MAX);
	unwound = unwind(fixture, &traced);
	assert_true(unwound.n > 4);
	for (size_t i = 0; i < unwound.n; i++) {
		if (!strcmp(basename(unwound.frames[i].module), "stacks"))
			assert_null(unwound.frames[i].function);
	}
	traced__end(&traced);
	clean();
}

/* A debug file that cannot be opened just now is not one that is missing. */
static void leased_debug_file(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {DIR "/stacks", "chain", NULL};
	struct unwind_request request = {};
	struct traced traced;
	struct unwound unwound;
	int fd;

	make_debug_link();
	fd = open(DIR "/.debug/stacks.debug", O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
	signal(SIGIO, SIG_IGN);
	traced = traced__start(argv, MP_STACK_MAX);
	unwound = unwind(fixture, &traced);
	assert_true(unwound.poor && unwound.lasts == STACK_PASSES && !names_innermost(&unwound));
	fcntl(fd, F_SETLEASE, F_UNLCK);
	close(fd);

	/* The child does not ask for each stack. */
	unwound = unwind(fixture, &traced);
	assert_true(unwound.poor && !names_innermost(&unwound));
	request = (struct unwind_request){.tgid = traced.pid,
					  .start_ticks = traced.start_ticks,
					  .stack = traced.stack,
					  .enrich = true};
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound), 0);
	assert_true(!unwound.poor && unwound.lasts == STACK_LASTS && names_innermost(&unwound));
	traced__end(&traced);
	clean();
}

static struct unwound unwind_self(struct fixture *fixture, uint64_t pc)
{
	static struct {
		struct mp_stack stack;
		__u64 ips[1];
	} raw = {.stack = {.kind = MP_STACK_FP, .bytes = 8}};
	struct unwind_request request = {.tgid = getpid(), .stack = &raw.stack};
	int pidfd = procfs__open("/proc", getpid());
	struct unwound unwound;
	struct proc_stat stat;

	assert_int_equal(procfs__stat(pidfd, &stat), 0);
	close(pidfd);
	request.start_ticks = stat.start_ticks;
	raw.ips[0] = pc;
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound), 0);
	symbolizer__forget(fixture->symbolizer, request.tgid, request.start_ticks);
	return unwound;
}

static void perf_map(void **state)
{
	struct fixture *fixture = *state;
	struct unwound unwound;
	char path[64];
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *map;

	assert_true(code != MAP_FAILED);
	unwound = unwind_self(fixture, (uintptr_t)code + 20);
	assert_null(unwound.frames[0].function);
	assert_null(unwound.frames[0].module);
	assert_int_equal(unwound.frames[0].offset, (uintptr_t)code + 20);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
	map = fopen(path, "w");
	fprintf(map, "%lx 40 made-here\n", (unsigned long)code);
	fclose(map);
	unwound = unwind_self(fixture, (uintptr_t)code + 20);
	assert_string_equal(unwound.frames[0].function, "made-here");
	assert_null(unwound.frames[0].module);
	/* Anyone may write to /tmp: what is not the process's own says nothing. */
	if (!chown(path, 65534, 65534)) {
		unwound = unwind_self(fixture, (uintptr_t)code + 20);
		assert_null(unwound.frames[0].function);
	}
	unlink(path);
	assert_int_equal(symlink("/proc/kmsg", path), 0);
	unwound = unwind_self(fixture, (uintptr_t)code + 20);
	assert_null(unwound.frames[0].function);
	unlink(path);
	munmap(code, 4096);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls),
		cmocka_unit_test(call_targets),
#if defined(__x86_64__)
		cmocka_unit_test(frame_sizes),
#endif
		cmocka_unit_test(frame_pointers),
		cmocka_unit_test(statuses),
		cmocka_unit_test(numbers_of_files),
		TEST(debug_link),
		TEST(leased_debug_file),
		TEST(perf_map),
	};

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
