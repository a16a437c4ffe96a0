// SPDX-License-Identifier: BSD-2-Clause
/* The symbolizer's child when things go wrong, and what it cannot do: user/symbolize. */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/child.h"
#include "wire/wire.h"
#include "child/sandbox.h"
#include "child_process.h"
#include "symbolizer_fixture.h"
#include "util/clock.h"
#include "util/sanitized.h"

/* --- the child, seen from outside ---------------------------------------------------------- */

static void read_text(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, text, size - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
}

static unsigned long status_number(pid_t pid, const char *field, int base)
{
	char text[8192], *at;

	read_text(pid, "status", text, sizeof(text));
	at = strstr(text, field);
	assert_non_null(at);
	return strtoul(at + strlen(field), NULL, base);
}

static size_t count_entries(pid_t pid, const char *dir)
{
	char path[64];
	struct dirent *entry;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, dir);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static void no_privileges(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwind_request forget = {
		.tgid = traced.pid, .start_ticks = traced.start_ticks, .stack = traced.stack};
	pid_t child;
	char link[64], name[64] = "";

	unwind(fixture, &traced);
	child = child_pid();
	assert_int_equal(status_number(child, "\nCapEff:", 16), 0);
	assert_int_equal(status_number(child, "\nCapPrm:", 16), 0);
	assert_int_equal(status_number(child, "\nCapBnd:", 16), 0);
	assert_int_equal(status_number(child, "\nCapAmb:", 16), 0);
	assert_int_equal(status_number(child, "\nNoNewPrivs:", 10), 1);
	assert_int_equal(status_number(child, "\nSeccomp:", 10), 2);
	assert_in_range(status_number(child, "\nUid:", 10), 0x70000000, 0x7ffdffff);
	assert_int_equal(status_number(child, "\nGid:", 10), status_number(child, "\nUid:", 10));
	/* An empty root, and no network but its own. */
	assert_int_equal(count_entries(child, "root"), 0);
	snprintf(link, sizeof(link), "/proc/%d/ns/net", child);
	assert_true(readlink(link, name, sizeof(name) - 1) > 0);
	char ours[64] = "";
	assert_true(readlink("/proc/self/ns/net", ours, sizeof(ours) - 1) > 0);
	assert_string_not_equal(name, ours);
	/* When the process is forgotten, nothing of it is open. */
	symbolizer__forget(fixture->symbolizer, forget.tgid, forget.start_ticks);
	for (int i = 0; i < 6000 && count_entries(child, "fd") > 1 + SANITIZED * 3; i++)
		usleep(10000);
	assert_true(count_entries(child, "fd") <= 1 + SANITIZED * 3);
	traced__end(&traced);
}

/* Runs f behind the sandbox, in a process of its own; its wait status. */
static int in_sandbox(int (*f)(void))
{
	int pair[2], status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid = fork();
	if (!pid) {
		dup2(pair[1], WIRE_SOCKET);
		_exit(sandbox__enter(WIRE_SOCKET, 1 << 30) ? 100 : f());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pair[0]);
	close(pair[1]);
	return status;
}

static int opens_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static int makes_a_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? 0 : 1;
}

static int makes_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int executes(void)
{
	execl("/bin/true", "true", NULL);
	return 0;
}

static int signals_others(void)
{
	kill(getppid(), 0);
	return 0;
}

static void forbidden(void **state)
{
	static int (*const killed[])(void) = {makes_a_socket, makes_code, executes, signals_others};
	int status = in_sandbox(opens_a_file);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	for (size_t i = 0; i < sizeof(killed) / sizeof(killed[0]); i++) {
		status = in_sandbox(killed[i]);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

/* --- its end ------------------------------------------------------------------------------- */

static void killed_between_requests(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwound before = unwind(fixture, &traced), after;
	struct symbolizer_stats stats;
	pid_t first = child_pid();
	struct pollfd end = {.fd = pidfd_open(first, 0), .events = POLLIN};

	assert_true(end.fd >= 0);
	kill(first, SIGKILL);
	assert_int_equal(poll(&end, 1, 10000), 1);
	close(end.fd);
	after = unwind(fixture, &traced);
	assert_int_equal(after.n, before.n);
	assert_false(after.truncated);
	assert_int_not_equal(child_pid(), first);
	symbolizer__stats(fixture->symbolizer, &stats);
	assert_int_equal(stats.restarts, 1);
	traced__end(&traced);
}

/* A new child has to be started, and on a busy machine it may be given up for being slow. */
static void await_whole(struct fixture *fixture, struct traced *traced)
{
	for (int i = 0; i < 600; i++) {
		if (!unwind(fixture, traced).truncated)
			return;
		usleep(100000);
	}
	fail_msg("every answer is truncated");
}

/* Answers all the same, by itself, and has the child replaced. */
static void hangs(void **state)
{
	struct symbolizer_config config = {.proc = "/proc",
					   .child_memory = 512 << 20,
					   .timeout_ms = 300,
					   .launcher_capabilities = UINT64_MAX};
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwound unwound;
	pid_t stopped;

	symbolizer__free(fixture->symbolizer);
	assert_int_equal(symbolizer__new(&config, &fixture->symbolizer), 0);
	await_whole(fixture, &traced);
	stopped = child_pid();
	kill(stopped, SIGSTOP);
	unwound = unwind(fixture, &traced);
	assert_true(unwound.truncated);
	assert_int_equal(unwound.source, STACK_SOURCE_FP);
	assert_true(unwound.n >= 1);
	assert_string_equal(basename(unwound.frames[0].module), "libc.so.6");
	assert_true(unwound.frames[0].offset > 0 && unwound.frames[0].offset < 4 << 20);
	/* Whatever the child is, what comes later is whole again. */
	await_whole(fixture, &traced);
	assert_int_not_equal(child_pid(), stopped);
	traced__end(&traced);
}

/* A child that is killed at every request is not started faster than it may, and no request waits.
 */
static void killed_again_and_again(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct symbolizer_stats stats;
	uint64_t began = clock__boot_ns(), seconds;

	for (int i = 0; i < 8; i++) {
		pid_t pid = 0;
		struct unwound unwound;

		procfs__each("/proc", find_child, &pid);
		if (pid)
			kill(pid, SIGKILL);
		/* Not while it is at the process, which would be blamed. */
		usleep(20000);
		unwound = unwind(fixture, &traced);
		assert_non_null(unwound.frames[0].module);
		assert_false(unwound.truncated);
	}
	symbolizer__stats(fixture->symbolizer, &stats);
	seconds = (clock__boot_ns() - began) / NSEC_PER_SEC;
	/* Those that came at once, and one of each further second. */
	assert_in_range(stats.restarts, 7, 4 + seconds);
	traced__end(&traced);
}

static void gone(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwind_request request = {
		.tgid = traced.pid, .start_ticks = traced.start_ticks, .stack = traced.stack};
	struct mp_stack *stack = traced.stack;
	struct unwound unwound;

	request.start_ticks++;
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound),
		-ESRCH);
	request.start_ticks--;
	unwind(fixture, &traced);
	traced.stack = NULL;
	traced__end(&traced);
	/* What was known of it, is. */
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound), 0);
	assert_false(unwound.truncated);
	symbolizer__forget(fixture->symbolizer, request.tgid, request.start_ticks);
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound),
		-ESRCH);
	free(stack);
}

static size_t open_files(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n++;
	closedir(dir);
	return n;
}

/* With nothing to do for ten seconds the child lets go of all files. A process that comes later has
 * some of those that one has of before, of which the child has been told already. */
static void forgotten_while_idle(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced first = traced__start(argv, MP_STACK_MAX), second;
	struct unwound unwound = unwind(fixture, &first);
	size_t files = open_files(child_pid());

	assert_false(unwound.truncated);
	while (open_files(child_pid()) == files)
		usleep(10000);
	second = traced__start(argv, MP_STACK_MAX);
	unwound = unwind(fixture, &second);
	print(&unwound);
	assert_false(unwound.truncated);
	assert_non_null(unwound.frames[0].function);
	assert_false(unwind(fixture, &first).truncated);
	traced__end(&first);
	traced__end(&second);
}

/* --- hostile files ------------------------------------------------------------------------- */

struct bytes {
	uint8_t *data;
	size_t len;
};

static struct bytes read_program(void)
{
	int fd = open(STACKS, O_RDONLY);
	struct bytes bytes = {};
	struct stat st;

	assert_true(fd >= 0 && !fstat(fd, &st));
	bytes.data = malloc(st.st_size);
	bytes.len = st.st_size;
	assert_int_equal(read(fd, bytes.data, bytes.len), bytes.len);
	close(fd);
	return bytes;
}

static void *map_file(const char *path, const void *data, size_t len, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0700);
	void *at;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(ftruncate(fd, size), 0);
	at = mmap(NULL, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(at != MAP_FAILED);
	close(fd);
	return at;
}

/* A stack of this very process, which does nothing of the kind. */
static struct unwound unwind_at(struct fixture *fixture, uint64_t pc, uint64_t since_ns)
{
	static struct {
		struct mp_stack stack;
		struct mp_stack_copy copy;
		uint64_t words[32];
	} raw;
	struct unwind_request request = {
		.tgid = getpid(), .stack = &raw.stack, .map_since_ns = since_ns};
	int pidfd = procfs__open("/proc", getpid());
	struct unwound unwound;
	struct proc_stat stat;

	assert_int_equal(procfs__stat(pidfd, &stat), 0);
	close(pidfd);
	request.start_ticks = stat.start_ticks;
	raw.stack.kind = MP_STACK_COPY;
	raw.stack.bytes = sizeof(raw.copy) + sizeof(raw.words);
	raw.copy.regs[MACHINE_FP] = raw.copy.regs[MACHINE_SP] = 0x7ff000000000;
	raw.copy.regs[MACHINE_PC] = pc;
	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound), 0);
	return unwound;
}

static void check_hostile(struct fixture *fixture, const char *what, const void *data, size_t len,
			  off_t size)
{
	char path[] = "/tmp/memprov-hostile";
	void *at = map_file(path, data, len, size);
	struct unwound unwound;

	for (uint64_t offset = 0x1000; offset < 0x1400; offset += 0x1f3) {
		unwound = unwind_at(fixture, (uintptr_t)at + offset, clock__boot_ns());
		assert_true(unwound.n >= 1);
		if (!unwound.frames[0].module || strcmp(unwound.frames[0].module, path))
			fail_msg("%s: module %s", what, unwound.frames[0].module);
	}
	munmap(at, 65536);
	unlink(path);
}

static void hostile_files(void **state)
{
	struct fixture *fixture = *state;
	struct bytes program = read_program();
	Elf64_Ehdr *header = (void *)program.data, saved = *header;
	Elf64_Phdr *segments = (void *)(program.data + header->e_phoff);
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct symbolizer_stats stats;

	for (size_t i = 0; i < 16; i++)
		check_hostile(fixture, "cut", program.data, program.len * i / 16,
			      program.len * i / 16);
	header->e_shnum = 0;
	check_hostile(fixture, "section count elsewhere", program.data, program.len, program.len);
	header->e_shnum = 0xfeff;
	check_hostile(fixture, "many sections", program.data, program.len, program.len);
	*header = saved;
	header->e_shoff = UINT64_MAX - 63;
	check_hostile(fixture, "sections beyond the end", program.data, program.len, program.len);
	*header = saved;
	header->e_shoff = 0;
	header->e_phoff = 0;
	check_hostile(fixture, "tables on the header", program.data, program.len, program.len);
	*header = saved;
	header->e_phnum = 0xffff;
	check_hostile(fixture, "many segments", program.data, program.len, program.len);
	*header = saved;
	check_hostile(fixture, "sparse", program.data, program.len, 10LL << 30);
	for (size_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr was = segments[i];

		segments[i].p_offset = UINT64_MAX - 4095;
		segments[i].p_filesz = segments[i].p_memsz = UINT64_MAX / 2;
		check_hostile(fixture, "segment", program.data, program.len, program.len);
		segments[i] = was;
		segments[i].p_vaddr = UINT64_MAX - 4095;
		segments[i].p_align = 3;
		check_hostile(fixture, "segment's address", program.data, program.len, program.len);
		segments[i] = was;
	}
	/* Every section table entry in turn: the tables that libdw reads lead elsewhere. */
	for (size_t i = 0; i < header->e_shnum; i++) {
		Elf64_Shdr *section = (void *)(program.data + header->e_shoff), was;

		section += i;
		was = *section;
		section->sh_size = UINT64_MAX / 2;
		check_hostile(fixture, "section", program.data, program.len, program.len);
		*section = was;
		section->sh_link = i;
		section->sh_entsize = 1;
		section->sh_offset = 0;
		check_hostile(fixture, "section's links", program.data, program.len, program.len);
		*section = was;
	}
	srand(1);
	for (int i = 0; i < 40; i++) {
		struct bytes other = read_program();

		for (int j = 0; j < 200; j++)
			other.data[64 + rand() % (other.len - 64)] = rand();
		check_hostile(fixture, "noise", other.data, other.len, other.len);
		free(other.data);
	}
	symbolizer__stats(fixture->symbolizer, &stats);
	print_message("hostile files: %" PRIu64 " restarts\n", stats.restarts);
	await_whole(fixture, &traced);
	traced__end(&traced);
	free(program.data);
}

/* What lies at the path by now is not what is mapped. */
static void replaced_by_a_fifo(void **state)
{
	struct fixture *fixture = *state;
	struct bytes program = read_program();
	char path[] = "/tmp/memprov-replaced";
	void *at = map_file(path, program.data, program.len, program.len);
	struct symbolizer_stats stats;
	struct unwound unwound;

	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	unwound = unwind_at(fixture, (uintptr_t)at + 0x11f0, 1);
	assert_true(unwound.n >= 1);
	/* It did not wait for a writer: the child would have been given up. */
	symbolizer__stats(fixture->symbolizer, &stats);
	assert_int_equal(stats.restarts, 0);
	/* Without the right to look through the mapping there is only the name. */
	if (unwound.frames[0].function)
		assert_string_equal(unwound.frames[0].module, path);
	munmap(at, 65536);
	unlink(path);
	free(program.data);
}

#define MANY 300

static void many_files(void **state)
{
	struct fixture *fixture = *state;
	struct bytes program = read_program();
	void *at[MANY];
	struct unwound unwound;
	pid_t child;

	for (int i = 0; i < MANY; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/tmp/memprov-many-%d", i);
		program.data[program.len - 1] ^= i;
		at[i] = map_file(path, program.data, program.len, program.len);
		unlink(path);
	}
	unwind_at(fixture, (uintptr_t)at[0] + 0x11f0, 1);
	child = child_pid();
	for (int i = 0; i < MANY; i++) {
		unwound = unwind_at(fixture, (uintptr_t)at[i] + 0x11f0, 1);
		assert_non_null(unwound.frames[0].function);
	}
	assert_int_equal(child_pid(), child);
	print_message("%d files: VmPeak %lu kB, VmRSS %lu kB, %zu descriptors\n", MANY,
		      status_number(child, "\nVmPeak:", 10), status_number(child, "\nVmRSS:", 10),
		      count_entries(child, "fd"));
	if (!SANITIZED) {
		assert_true(status_number(child, "\nVmPeak:", 10) < 256 << 10);
		assert_true(status_number(child, "\nVmRSS:", 10) < 256 << 10);
	}
	for (int i = 0; i < MANY; i++)
		munmap(at[i], 65536);
	/* The map is read anew: what is not mapped any more is not kept. */
	unwind_at(fixture, (uintptr_t)at[0] + 0x11f0, clock__boot_ns());
	for (int i = 0; i < 6000 && count_entries(child, "fd") > 60; i++)
		usleep(10000);
	assert_true(count_entries(child, "fd") <= 60);
	free(program.data);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(no_privileges),	       cmocka_unit_test(forbidden),
		TEST(killed_between_requests), TEST(hangs),
		TEST(killed_again_and_again),  TEST(gone),
		TEST(forgotten_while_idle),    TEST(hostile_files),
		TEST(replaced_by_a_fifo),      TEST(many_files),
	};

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
