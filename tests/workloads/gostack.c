// SPDX-License-Identifier: BSD-2-Clause
/*
 * What Go's runtime does from 1.21 on when a goroutine needs the thread's system stack: gostack
 * 1.21|1.25|unknown. Its structures are laid out as in that version, or so that nobody knows them.
 * Innermost is a mapping of MAGIC bytes. Stays until it is killed.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC 0x123000

#if defined(__x86_64__)

#define FRAMED	  __attribute__((noinline, noclone, optimize("O2", "no-omit-frame-pointer")))
#define BARRIER() __asm__ volatile("" ::: "memory")

/* type g and type m, as far as memprov looks. */
struct g {
	uint64_t stack_lo, stack_hi, others[4];
	uint64_t *m;
	uint64_t sp, pc, self, ctxt, more[3]; /* sched */
};
_Static_assert(offsetof(struct g, m) == 48 && offsetof(struct g, sp) == 56, "type g");

/* The only thing of its kind, so where Go has it: in front of what the thread's register shows. */
static __thread struct g *volatile tlsg;
static uint64_t stacks[2][8192], m[64];
static struct g g0, g;

void systemstack(void (*function)(void), uint64_t bp_offset) __asm__("runtime.systemstack");
void goexit(void) __asm__("runtime.goexit");
void go_on(void (*function)(void), uint64_t *sp);

__asm__(".text\n"
	".type runtime.systemstack, @function\n"
	"runtime.systemstack:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	mov %fs:-8, %rax\n"
	"	mov 48(%rax), %rcx\n"
	"	mov (%rcx), %rdx\n" /* g0 */
	"	movq $0x1, 64(%rax)\n"
	"	mov %rsp, 56(%rax)\n"
	"	mov %rbp, (%rax, %rsi)\n"
	"	mov %rdx, %fs:-8\n"
	"	mov 56(%rdx), %rsp\n"
	"	call *%rdi\n"
	"	ud2\n"
	".size runtime.systemstack, . - runtime.systemstack\n"
	".type runtime.goexit, @function\n"
	"runtime.goexit:\n"
	"	nop\n"
	"	ud2\n"
	".size runtime.goexit, . - runtime.goexit\n"
	".type go_on, @function\n"
	"go_on:\n"
	"	mov %rsi, %rsp\n"
	"	xor %ebp, %ebp\n"
	"	jmp *%rdi\n"
	".size go_on, . - go_on\n");

FRAMED static void on_system_stack(void)
{
	if (mmap(NULL, MAGIC, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		exit(1);
	for (;;)
		pause();
}

static uint64_t bp_offset;

FRAMED static void keep(void)
{
	char room[200];

	memset(room, 1, sizeof(room));
	__asm__ volatile("" ::"r"(room) : "memory");
	systemstack(on_system_stack, bp_offset);
	BARRIER();
}

FRAMED static void goroutine(void)
{
	keep();
	BARRIER();
}

static void begin(struct g *of, uint64_t *stack)
{
	of->stack_lo = (uintptr_t)stack;
	of->stack_hi = (uintptr_t)(stack + 8192);
	of->sp = (uintptr_t)(stack + 8184);
	of->m = m;
}

int main(int argc, char **argv)
{
	const char *version = argc > 1 ? argv[1] : "1.21";
	uint64_t *sp;

	begin(&g0, stacks[0]);
	begin(&g, stacks[1]);
	m[0] = (uintptr_t)&g0;
	if (!strcmp(version, "1.21"))
		m[192 / 8] = (uintptr_t)&g;
	else if (!strcmp(version, "1.25"))
		m[184 / 8] = (uintptr_t)&g;
	bp_offset = strcmp(version, "1.25") ? 56 + 48 : 56 + 40;
	tlsg = &g;
	sp = (uint64_t *)g.sp - 1;
	*sp = (uintptr_t)goexit + 1;
	go_on(goroutine, sp);
}

#else

int main(void)
{
	return 1;
}

#endif
