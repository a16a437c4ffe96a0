// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stacks of known functions, innermost a mapping of MAGIC bytes: stacks chain|noreturn|signal|
 * altstack|thread|deep|framed N|coroutine. Stays until it is killed.
 */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define MAGIC 0x123000

/* As it would be in a library without frame pointers, and nothing optimised away. */
#define FUNCTION  __attribute__((noinline, noclone, optimize("O2", "omit-frame-pointer")))
#define BARRIER() __asm__ volatile("" ::: "memory")

static volatile int depth;

FUNCTION static void innermost(void)
{
	if (mmap(NULL, MAGIC, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		exit(1);
	BARRIER();
}

FUNCTION static void third(void)
{
	char room[200];

	memset(room, depth, sizeof(room));
	__asm__ volatile("" ::"r"(room) : "memory");
	innermost();
	BARRIER();
}

FUNCTION static int second(int a)
{
	third();
	BARRIER();
	return a + depth;
}

FUNCTION static int first(int a)
{
	int b = second(a + 1);

	BARRIER();
	return b + depth;
}

FUNCTION __attribute__((noreturn)) static void never_returns(void)
{
	third();
	for (;;)
		pause();
}

/* Its last instruction is the call. */
FUNCTION __attribute__((noreturn)) static void calls_last(void)
{
	depth++;
	never_returns();
}

FUNCTION static void behind_calls_last(void)
{
	depth--;
	BARRIER();
}

FUNCTION static void on_signal(int signal)
{
	second(signal);
	BARRIER();
}

FUNCTION static void interrupted(void)
{
	raise(SIGUSR1);
	BARRIER();
}

FUNCTION static void deep(int n)
{
	if (n)
		deep(n - 1);
	else
		innermost();
	BARRIER();
}

#if defined(__x86_64__)
/* The C library has no frame pointers: there a list of callers would end. */
static inline __attribute__((always_inline)) void map_without_library(void)
{
	register long prot __asm__("rdx") = PROT_READ;
	register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS;
	register long fd __asm__("r8") = -1, offset __asm__("r9") = 0;
	long result = SYS_mmap;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(NULL), "S"(MAGIC), "r"(prot), "r"(flags), "r"(fd), "r"(offset)
			 : "rcx", "r11", "memory");
	if (result < 0)
		exit(1);
}
#else
static inline __attribute__((always_inline)) void map_without_library(void)
{
	register long addr __asm__("x0") = 0, len __asm__("x1") = MAGIC;
	register long prot __asm__("x2") = PROT_READ;
	register long flags __asm__("x3") = MAP_PRIVATE | MAP_ANONYMOUS;
	register long fd __asm__("x4") = -1, offset __asm__("x5") = 0;
	register long number __asm__("x8") = SYS_mmap;

	__asm__ volatile("svc 0"
			 : "+r"(addr)
			 : "r"(len), "r"(prot), "r"(flags), "r"(fd), "r"(offset), "r"(number)
			 : "memory");
	if (addr < 0)
		exit(1);
}
#endif

/* With frame pointers, and frames of a hundred bytes to two pages. */
__attribute__((noinline, noclone, optimize("O2", "no-omit-frame-pointer"))) static void
framed(int n)
{
	char *room = alloca((unsigned)n * n * 37 % 8000);

	__asm__ volatile("" ::"r"(room) : "memory");
	if (n)
		framed(n - 1);
	else
		map_without_library();
	BARRIER();
}

#define FRAMED __attribute__((noinline, noclone, optimize("O2", "no-omit-frame-pointer")))

static ucontext_t resumer, coroutine;

FRAMED static void in_coroutine(void)
{
	second(1);
	BARRIER();
}

/* Its frame, in which there is more than what it needs, is what the coroutine's frame pointer
 * shows. */
FRAMED static void resume(void)
{
	static char stack[65536];
	char room[600];

	memset(room, depth, sizeof(room));
	__asm__ volatile("" ::"r"(room) : "memory");
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	coroutine.uc_link = &resumer;
	makecontext(&coroutine, in_coroutine, 0);
	swapcontext(&resumer, &coroutine);
	BARRIER();
}

static void *thread(void *arg)
{
	first(1);
	return arg;
}

static void handle(int flags)
{
	static char stack[65536];
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
	stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};

	if (flags & SA_ONSTACK)
		sigaltstack(&alternative, NULL);
	sigaction(SIGUSR1, &action, NULL);
	interrupted();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "chain";
	pthread_t id;

	if (!strcmp(mode, "chain"))
		first(1);
	else if (!strcmp(mode, "noreturn"))
		calls_last();
	else if (!strcmp(mode, "signal"))
		handle(0);
	else if (!strcmp(mode, "altstack"))
		handle(SA_ONSTACK);
	else if (!strcmp(mode, "coroutine"))
		resume();
	else if (!strcmp(mode, "deep"))
		deep(400);
	else if (!strcmp(mode, "framed") && argc > 2)
		framed(atoi(argv[2]));
	else if (!strcmp(mode, "thread") && !pthread_create(&id, NULL, thread, NULL))
		pthread_join(id, NULL);
	behind_calls_last();
	for (;;)
		pause();
}
