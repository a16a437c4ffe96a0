// SPDX-License-Identifier: BSD-2-Clause
/*
 * Does what it is told, one system call for each line on stdin, and answers with a line
 * "RESULT ERRNO". An argument is a number, or ":" and bytes in hex (their address is passed).
 *
 *   mmap 0 4096 3 0x22 -1 0    any call of the table below
 *   fill ADDR LEN VALUE        memset: touches pages
 *   look ADDR LEN              reads a byte of each page
 *   poke ADDR :BYTES           memcpy
 *   thread | fork              a worker: answers with its tid or pid. "@N LINE" has the N-th
 *                              worker (counted from 1) do LINE
 *   vfork :PATH [SIZE] | spawn :PATH
 *                              a child that runs PATH: answers with its pid. With SIZE, it first
 *                              maps so much into what it still shares with its parent
 *   mapped                     where that was
 *   exec :PATH                 runs PATH in its place: a line from there is the answer
 *   pid | tid
 *
 * It never allocates by itself, so that what it maps is what it was told to map.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_WORKERS 64
#define MAX_WORDS   8
#define MAX_LINE    16384

static const struct {
	const char *name;
	long number;
} calls[] = {
	{"mmap", SYS_mmap},	    {"munmap", SYS_munmap},   {"mremap", SYS_mremap},
	{"brk", SYS_brk},	    {"prctl", SYS_prctl},     {"madvise", SYS_madvise},
	{"mprotect", SYS_mprotect}, {"shmget", SYS_shmget},   {"shmat", SYS_shmat},
	{"shmdt", SYS_shmdt},	    {"shmctl", SYS_shmctl},   {"memfd_create", SYS_memfd_create},
	{"openat", SYS_openat},	    {"close", SYS_close},     {"ftruncate", SYS_ftruncate},
	{"mlock", SYS_mlock},	    {"msync", SYS_msync},     {"unlinkat", SYS_unlinkat},
	{"tid", SYS_gettid},	    {"pid", SYS_getpid},      {"wait4", SYS_wait4},
	{"kill", SYS_kill},	    {"exit", SYS_exit_group}, {"exit_thread", SYS_exit},
};

/* Each worker's end of the pipe that brings it lines. */
static int pipes[MAX_WORKERS][2];
static int workers;
static char lines[MAX_WORKERS][MAX_LINE];
extern char **environ;

static void serve(int fd, char *line);

static void answer(long result)
{
	char text[64];
	int error = result == -1 ? errno : 0;

	/* System calls that return an address may return one that looks negative; -1 is an error.
	 */
	if (write(1, text, snprintf(text, sizeof(text), "%ld %d\n", result, error)) < 0)
		_exit(1);
}

static void *thread(void *arg)
{
	intptr_t index = (intptr_t)arg;

	answer(syscall(SYS_gettid));
	serve(pipes[index][0], lines[index]);
	return NULL;
}

static void start_thread(void)
{
	pthread_attr_t attr;
	pthread_t id;

	if (pipe(pipes[workers]))
		_exit(1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	/* The thread itself answers. */
	if (pthread_create(&id, &attr, thread, (void *)(intptr_t)workers++))
		_exit(1);
}

static void start_child(void)
{
	int index = workers++;
	pid_t child;

	if (pipe(pipes[index]))
		_exit(1);
	child = fork();
	if (child) {
		answer(child);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	serve(pipes[index][0], lines[index]);
	_exit(0);
}

static volatile long mapped;

static long run_vforked(const char *path, unsigned long size)
{
	char *argv[] = {(char *)path, NULL};
	pid_t child = vfork();

	if (!child) {
		if (size)
			mapped = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		execve(path, argv, environ);
		_exit(127);
	}
	return child;
}

static long run_spawned(const char *path)
{
	char *argv[] = {(char *)path, NULL};
	pid_t child;
	int error = posix_spawn(&child, path, NULL, NULL, argv, environ);

	errno = error;
	return error ? -1 : child;
}

static long run_in_place(const char *path)
{
	char *argv[] = {(char *)path, NULL};

	return execve(path, argv, environ);
}

static long system_call(const char *name, const unsigned long *a)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (!strcmp(calls[i].name, name))
			return syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	errno = ENOSYS;
	return -1;
}

static unsigned long look(const volatile char *at, unsigned long len)
{
	unsigned long sum = 0;

	for (unsigned long i = 0; i < len; i += 4096)
		sum += at[i];
	return sum;
}

/* ":6162" becomes the bytes in its place; how many. */
static unsigned long decode(char *text)
{
	unsigned long n = 0;

	for (char *hex = text; hex[0] && hex[1]; hex += 2) {
		char pair[] = {hex[0], hex[1], '\0'};

		text[n++] = strtoul(pair, NULL, 16);
	}
	return n;
}

static void obey(char *line)
{
	unsigned long a[MAX_WORDS] = {0}, bytes = 0;
	char *save, *name = strtok_r(line, " ", &save), *word;

	for (int i = 0; i < MAX_WORDS && (word = strtok_r(NULL, " ", &save)); i++) {
		if (*word != ':') {
			a[i] = strtoul(word, NULL, 0);
			continue;
		}
		bytes = decode(word + 1);
		a[i] = (unsigned long)(word + 1);
		if (!bytes)
			word[1] = '\0';
	}
	if (!strcmp(name, "thread")) {
		start_thread();
	} else if (!strcmp(name, "fork")) {
		start_child();
	} else if (!strcmp(name, "vfork")) {
		answer(run_vforked((char *)a[0], a[1]));
	} else if (!strcmp(name, "mapped")) {
		answer(mapped);
	} else if (!strcmp(name, "spawn")) {
		answer(run_spawned((char *)a[0]));
	} else if (!strcmp(name, "exec")) {
		answer(run_in_place((char *)a[0]));
	} else if (!strcmp(name, "fill")) {
		memset((void *)a[0], (int)a[2], a[1]);
		answer(0);
	} else if (!strcmp(name, "look")) {
		answer((long)look((const char *)a[0], a[1]));
	} else if (!strcmp(name, "poke")) {
		memcpy((void *)a[0], (const void *)a[1], bytes);
		answer(0);
	} else {
		answer(system_call(name, a));
	}
}

static void serve(int fd, char *line)
{
	size_t n = 0;

	while (read(fd, line + n, 1) == 1) {
		if (line[n] != '\n') {
			if (++n == MAX_LINE)
				_exit(1);
			continue;
		}
		line[n] = '\0';
		if (*line == '@') {
			char *rest = strchr(line, ' ');
			long worker = strtol(line + 1, NULL, 10) - 1;

			line[n] = '\n';
			if (write(pipes[worker][1], rest + 1, line + n - rest) < 0)
				_exit(1);
		} else {
			obey(line);
		}
		n = 0;
	}
}

int main(void)
{
	static char line[MAX_LINE];

	if (write(1, "ready\n", 6) != 6)
		return 1;
	serve(0, line);
	return 0;
}
